"""Registering, signing in, refreshing, signing out and changing the password."""

import asyncio
import json
from typing import Any

import pytest
from sqlmodel import select

from app.accounts.assembly import Accounts, SignIns, open_accounts
from app.accounts.models import AuditEvent, AuditKind, RefreshToken
from app.accounts.passwords import PasswordHasher
from app.accounts.retention import AUDIT_RETENTION, tidy
from app.accounts.sessions import KEPT_USED_TOKENS
from app.core.background import Background, Housekeeping
from app.core.database import Database
from app.core.errors import EmailTaken, RateLimited, RegistrationClosed, Unauthorized
from tests.accounts.conftest import ServeAccounts
from tests.accounts.people import (
    ANN,
    BEN,
    OTHER_PASSWORD,
    PASSWORD,
    SECRET_KEY,
    Clock,
    WatchedHasher,
    cheap_passwords,
    newcomer,
    refresh,
    register,
    sign_in,
)
from tests.chat.client import named_fields, problem_of
from tests.conftest import MakeSettings
from tests.core.conftest import StartLog

HOME = "192.0.2.7"


async def made(accounts: Accounts) -> SignIns:
    """Ann has an account."""
    await accounts.sign_ins.accounts.register(ANN, PASSWORD, client_address=HOME)
    return accounts.sign_ins


async def enter(signs: SignIns, email: str = ANN, password: str = PASSWORD, *, client_address: str = HOME) -> Any:
    return await signs.accounts.sign_in(email, password, client_address=client_address)


async def kinds(database: Database) -> list[str]:
    async with database.reading() as session:
        return list((await session.exec(select(AuditEvent.kind))).all())


# Over HTTP.


async def test_from_registration_to_sign_out(serve_accounts: ServeAccounts, database_url: str) -> None:
    async with serve_accounts(database_url=database_url) as client:
        registered = await register(client, " Ann@Example.com ".strip())
        answer = await sign_in(client, " ANN@example.COM ")
        tokens = answer.json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        me = (await client.get("/api/v1/me", headers=bearer)).json()
        renewed = (await refresh(client, tokens)).json()
        both = [
            await client.get("/api/v1/me", headers={"Authorization": f"Bearer {pair['access_token']}"})
            for pair in (tokens, renewed)
        ]
        out = await client.post("/api/v1/auth/logout", json={"refresh_token": renewed["refresh_token"]})
        after = [
            *[
                await client.get("/api/v1/me", headers={"Authorization": f"Bearer {pair['access_token']}"})
                for pair in (tokens, renewed)
            ],
            await refresh(client, renewed),
        ]
        again = await client.post("/api/v1/auth/logout", json={"refresh_token": renewed["refresh_token"]})

    assert registered.status_code == 201
    assert registered.json() == {name: me[name] for name in registered.json()}
    assert (me["email"], me["auth_mode"], me["has_password"], me["is_email_verified"]) == (ANN, "accounts", True, False)
    assert answer.headers["cache-control"] == "no-store"
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 900)
    assert tokens["refresh_token"] != renewed["refresh_token"]
    assert [response.status_code for response in both] == [200, 200]
    assert (out.status_code, again.status_code) == (204, 204)
    for response in after:
        problem_of(response, status=401, code="unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"


async def test_what_cannot_be_registered_is_refused_by_field_and_not_repeated(serve_accounts: ServeAccounts) -> None:
    bodies: list[tuple[dict[str, Any], set[str]]] = [
        ({"email": "ann", "password": PASSWORD}, {"email"}),
        ({"email": ANN, "password": "hunter2hunt"}, {"password"}),
        ({"email": ANN, "password": "x" * 1001}, {"password"}),
        ({"email": ANN, "password": ["hunter2hunter2"]}, {"password"}),
        ({"email": ANN, "password": PASSWORD, "role": "admin"}, {"role"}),
        ({"password": PASSWORD}, {"email"}),
    ]
    async with serve_accounts() as client:
        for body, fields in bodies:
            response = await client.post("/api/v1/auth/register", json=body)
            problem = problem_of(response, status=422, code="validation_error")
            assert named_fields(problem) == fields
            assert "hunter2" not in response.text
            assert PASSWORD not in response.text
        wrong = await client.post("/api/v1/auth/token", data={"username": ANN})
        assert named_fields(problem_of(wrong, status=422, code="validation_error")) == {"password"}


async def test_one_account_for_an_address_in_any_spelling(serve_accounts: ServeAccounts, database_url: str) -> None:
    async with serve_accounts(database_url=database_url) as client:
        both = await asyncio.gather(register(client), register(client, "ANN@EXAMPLE.COM", OTHER_PASSWORD))
    assert sorted(response.status_code for response in both) == [201, 409]
    problem_of(next(answer for answer in both if answer.status_code == 409), status=409, code="email_taken")


async def test_wrong_password_and_unknown_address_get_the_same_answer(serve_accounts: ServeAccounts) -> None:
    async with serve_accounts() as client:
        await register(client)
        answers = [await sign_in(client, ANN, "wrong"), await sign_in(client, BEN, "wrong")]
    problems = [problem_of(answer, status=401, code="unauthorized") | {"request_id": ""} for answer in answers]
    assert problems[0] == problems[1]
    assert "www-authenticate" in answers[0].headers


async def test_guessing_is_limited_whatever_the_spelling_and_whether_there_is_an_account(
    serve_accounts: ServeAccounts,
) -> None:
    spellings = [ANN, "ANN@example.com", " ann@example.com", "ann@EXAMPLE.com ", "\uff41nn@example.com"]
    async with serve_accounts() as client:
        await register(client)
        for spelling in spellings:
            problem_of(await sign_in(client, spelling, "wrong"), status=401, code="unauthorized")
        limited = [await sign_in(client), await sign_in(client, ANN.upper())]
        nobody = [await sign_in(client, BEN, "wrong") for _ in range(6)]
    for response in [*limited, nobody[-1]]:
        assert problem_of(response, status=429, code="rate_limited")["retry_after_seconds"] <= 60
        assert 0 < int(response.headers["retry-after"]) <= 60
    assert [response.status_code for response in nobody] == [401] * 5 + [429]


async def test_the_openapi_page_can_authorize(serve_accounts: ServeAccounts) -> None:
    async with serve_accounts() as client:
        document = (await client.get("/openapi.json")).json()
        person = await newcomer(client)
        (name, scheme), *others = document["components"]["securitySchemes"].items()
        address = scheme["flows"]["password"]["tokenUrl"]
        form = {"grant_type": "password", "username": ANN, "password": PASSWORD, "scope": "", "client_id": "x"}
        answer = await client.post(address, data=form)
        owned = await person.request("GET", "/conversations")
    assert others == []
    assert scheme["type"] == "oauth2"
    assert answer.status_code == 200
    assert owned.status_code == 200
    assert document["paths"]["/api/v1/chat"]["post"]["security"] == [{name: []}]
    assert "security" not in document["paths"]["/api/v1/auth/token"]["post"]


async def test_a_changed_password_ends_every_sign_in(serve_accounts: ServeAccounts, database_url: str) -> None:
    async with serve_accounts(database_url=database_url) as client:
        person = await newcomer(client)
        elsewhere = (await sign_in(client)).json()
        wrong = {"current_password": "wrong", "new_password": OTHER_PASSWORD}
        weak = {"current_password": PASSWORD, "new_password": "short"}
        right = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
        refused = [await person.request("POST", "/me/password", json=body) for body in (wrong, weak)]
        missing = await person.request("POST", "/me/password", json={"new_password": OTHER_PASSWORD})
        changed = await person.request("POST", "/me/password", json=right)
        out = [
            await person.request("GET", "/me"),
            await refresh(client, person.tokens),
            await refresh(client, elsewhere),
        ]
        old, new = await sign_in(client), await sign_in(client, ANN, OTHER_PASSWORD)
    assert [response.status_code for response in (*refused, missing, changed)] == [401, 422, 401, 204]
    assert [response.status_code for response in out] == [401] * 3
    assert (old.status_code, new.status_code) == (401, 200)


async def test_local_mode_has_one_person_and_no_sign_in(serve: Any, make_settings: MakeSettings) -> None:
    async with serve(make_settings()) as client:
        me = await client.get("/api/v1/me", headers={"Authorization": "Bearer anything"})
        export = await client.get("/api/v1/me/export")
        tokens = {"refresh_token": "x"}
        off = [
            await register(client),
            await sign_in(client),
            await client.post("/api/v1/auth/refresh", json=tokens),
            await client.post("/api/v1/auth/logout", json=tokens),
            await client.post("/api/v1/me/password", json={"new_password": OTHER_PASSWORD}),
            await client.request("DELETE", "/api/v1/me", json={}),
            await client.post("/api/v1/auth/password-reset", json={"email": ANN}),
            await client.post(
                "/api/v1/auth/password-reset/confirm", json={"email": ANN, "code": "x", "new_password": PASSWORD}
            ),
            await client.get("/api/v1/auth/google"),
            await client.get("/api/v1/auth/google/callback"),
        ]
    assert (me.json()["email"], me.json()["auth_mode"], export.status_code) == (None, "local", 200)
    for response in off:
        assert problem_of(response, status=404, code="accounts_off")["detail"] == "Accounts are off: AUTH_MODE=local"


async def test_without_google_or_mail_their_routes_say_so(serve_accounts: ServeAccounts) -> None:
    async with serve_accounts() as client:
        problem_of(await client.get("/api/v1/auth/google"), status=404, code="google_off")
        problem_of(await client.post("/api/v1/auth/password-reset", json={"email": ANN}), status=404, code="mail_off")


async def test_registration_can_be_closed(serve_accounts: ServeAccounts) -> None:
    async with serve_accounts(registration="closed") as client:
        problem_of(await register(client), status=403, code="registration_closed")


@pytest.mark.parametrize(
    "forwarded", ["x" * 300, "unknown", "'; --", "fe80::1%" + "z" * 100, "::ffff:198.51.100.7", "1.2.3.4.5", "%"]
)
async def test_whatever_is_forwarded_as_an_address_is_an_address_or_nothing(
    serve_accounts: ServeAccounts, database_url: str, forwarded: str
) -> None:
    async with serve_accounts(database_url=database_url) as client:
        form = {"username": ANN, "password": "wrong"}
        answer = await client.post("/api/v1/auth/token", data=form, headers={"X-Forwarded-For": forwarded})
    problem_of(answer, status=401, code="unauthorized")


# Of the services, on both databases, at a time of the test's own.


async def test_a_used_refresh_token_ends_its_family_and_no_other(accounts: Accounts, database: Database) -> None:
    signs = await made(accounts)
    first, other = await enter(signs), await enter(signs)
    second = await signs.sessions.refresh(first.refresh_token, client_address=HOME)

    with pytest.raises(Unauthorized):
        await signs.sessions.refresh(first.refresh_token, client_address="198.51.100.1")
    for token in (second.refresh_token, first.refresh_token):
        with pytest.raises(Unauthorized):
            await signs.sessions.refresh(token, client_address=HOME)
    for access_token in (first.access_token, second.access_token):
        with pytest.raises(Unauthorized):
            await accounts.caller(access_token)
    await accounts.caller(other.access_token)
    assert (await kinds(database)).count(AuditKind.REFRESH_REUSED) == 1


async def test_a_client_in_a_loop_does_not_fill_the_table(accounts: Accounts, database: Database, clock: Clock) -> None:
    signs = await made(accounts)
    first = latest = await enter(signs)
    for _ in range(KEPT_USED_TOKENS + 3):
        clock.forward(seconds=1)
        before, latest = latest, await signs.sessions.refresh(latest.refresh_token, client_address=HOME)
    async with database.reading() as session:
        assert len((await session.exec(select(RefreshToken))).all()) == KEPT_USED_TOKENS + 1

    with pytest.raises(Unauthorized):
        await signs.sessions.refresh(first.refresh_token, client_address=HOME)
    await accounts.caller(latest.access_token)
    with pytest.raises(Unauthorized):
        await signs.sessions.refresh(before.refresh_token, client_address=HOME)
    with pytest.raises(Unauthorized):
        await accounts.caller(latest.access_token)


async def test_of_refreshes_at_the_same_moment_one_wins_and_the_family_ends(
    accounts: Accounts, database: Database, account_settings: MakeSettings, clock: Clock
) -> None:
    """Also across replicas. Whoever of the two is the thief, nobody stays in."""
    signs = await made(accounts)
    tokens = await enter(signs)
    elsewhere = Database(database.url)
    replica = open_accounts(account_settings(), elsewhere, cancel_work=(), passwords=cheap_passwords(), now=clock)
    try:
        results = await asyncio.gather(
            *(
                place.sign_ins.sessions.refresh(tokens.refresh_token, client_address=HOME)
                for place in (accounts, replica, accounts, replica)
            ),
            return_exceptions=True,
        )
    finally:
        await replica.stop()
        await elsewhere.dispose()
    won = [result for result in results if not isinstance(result, BaseException)]
    assert len(won) == 1
    assert all(isinstance(result, Unauthorized) for result in results if result not in won)
    with pytest.raises(Unauthorized):
        await accounts.caller(won[0].access_token)


async def test_refresh_tokens_expire_without_use_and_are_tidied_away(
    accounts: Accounts, database: Database, clock: Clock
) -> None:
    signs = await made(accounts)
    tokens = await enter(signs)
    clock.forward(days=29)
    renewed = await signs.sessions.refresh(tokens.refresh_token, client_address=HOME)
    clock.forward(days=31)
    with pytest.raises(Unauthorized):
        await signs.sessions.refresh(renewed.refresh_token, client_address=HOME)
    await tidy(database, now=clock)
    async with database.reading() as session:
        assert (await session.exec(select(RefreshToken))).all() == []


async def test_the_audit_is_kept_for_half_a_year(accounts: Accounts, database: Database, clock: Clock) -> None:
    await made(accounts)
    clock.forward(days=AUDIT_RETENTION.days)
    await tidy(database, now=clock)
    assert await kinds(database) == ["registered"]
    clock.forward(seconds=1)
    await tidy(database, now=clock)
    assert await kinds(database) == []


async def test_no_token_stands_in_the_database(accounts: Accounts, database: Database) -> None:
    signs = await made(accounts)
    tokens = await enter(signs)
    async with database.reading() as session:
        rows = [row.model_dump_json() for row in (await session.exec(select(RefreshToken))).all()]
    assert rows
    assert not [row for row in rows if tokens.refresh_token in row or tokens.access_token in row]


async def test_parallel_guesses_get_no_more_tries(accounts: Accounts, clock: Clock) -> None:
    signs = await made(accounts)
    results = await asyncio.gather(
        *(enter(signs, ANN, f"guess {number}", client_address=f"192.0.2.{number}") for number in range(20)),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["RateLimited"] * 15 + ["Unauthorized"] * 5
    with pytest.raises(RateLimited):
        await enter(signs)
    clock.forward(seconds=61)
    await enter(signs)


async def test_a_success_forgets_the_failures_of_the_account(accounts: Accounts) -> None:
    signs = await made(accounts)
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(Unauthorized):
                await enter(signs, ANN, "wrong")
        await enter(signs)


async def test_an_address_gets_fifty_failures_an_hour_whatever_the_accounts(accounts: Accounts, clock: Clock) -> None:
    signs = await made(accounts)
    for number in range(50):
        with pytest.raises(Unauthorized):
            await enter(signs, f"user{number}@example.com", "wrong", client_address=f"2001:db8:1:2::{number:x}")
        # Somebody who can sign in does not use the limit up.
        await enter(signs, client_address=f"2001:db8:9:9::{number:x}")
    with pytest.raises(RateLimited):
        await enter(signs, client_address="2001:db8:1:2:ffff::1")
    await enter(signs, client_address="2001:db8:1:3::1")
    clock.forward(seconds=61)
    await enter(signs, client_address="2001:db8:1:2:ffff::1")


async def test_a_stolen_access_token_does_not_guess_the_password_faster(accounts: Accounts) -> None:
    signs = await made(accounts)
    caller = await accounts.caller((await enter(signs)).access_token)
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await signs.accounts.change_password(caller, "wrong", OTHER_PASSWORD, client_address=HOME)
    with pytest.raises(RateLimited):
        await signs.accounts.delete(caller, PASSWORD, client_address=HOME)


async def test_somebody_signed_in_changes_and_deletes_while_strangers_guess(accounts: Accounts) -> None:
    signs = await made(accounts)
    caller = await accounts.caller((await enter(signs)).access_token)
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await enter(signs, ANN, "wrong", client_address="198.51.100.1")
    with pytest.raises(RateLimited):
        await enter(signs)
    await signs.accounts.change_password(caller, PASSWORD, OTHER_PASSWORD, client_address=HOME)
    await signs.accounts.delete(caller, OTHER_PASSWORD, client_address=HOME)


async def test_registering_is_limited(accounts: Accounts) -> None:
    signs = await made(accounts)
    for _ in range(4):
        with pytest.raises(EmailTaken):
            await signs.accounts.register(ANN, PASSWORD, client_address=HOME)
    with pytest.raises(RateLimited):
        await signs.accounts.register(ANN, PASSWORD, client_address=HOME)


async def test_a_sign_in_with_the_old_password_does_not_survive_its_change(accounts: Accounts) -> None:
    signs = await made(accounts)
    caller = await accounts.caller((await enter(signs)).access_token)
    results = await asyncio.gather(
        *(enter(signs) for _ in range(2)),
        signs.accounts.change_password(caller, PASSWORD, OTHER_PASSWORD, client_address=HOME),
        *(enter(signs) for _ in range(2)),
        return_exceptions=True,
    )
    assert results[2] is None
    for result in results:
        if result is not None and not isinstance(result, BaseException):
            with pytest.raises(Unauthorized):
                await accounts.caller(result.access_token)


async def test_the_audit_tells_of_it_without_addresses_of_people(accounts: Accounts, database: Database) -> None:
    signs = await made(accounts)
    tokens = await enter(signs)
    for email in (ANN, BEN):
        with pytest.raises(Unauthorized):
            await enter(signs, email, "wrong")
    await signs.sessions.end(tokens.refresh_token, client_address=HOME)
    async with database.reading() as session:
        rows = (await session.exec(select(AuditEvent))).all()
    assert sorted(row.kind for row in rows) == [
        "registered",
        "sign_in_failed",
        "sign_in_failed",
        "signed_in",
        "signed_out",
    ]
    assert {row.client_address for row in rows} == {HOME}
    assert [row.user_id is None for row in rows].count(True) == 1, "the failure of somebody unknown"
    written = json.dumps([row.model_dump(mode="json") for row in rows])
    assert not [secret for secret in (ANN, BEN, PASSWORD, "wrong") if secret in written]


async def test_the_work_does_not_tell_whether_there_is_an_account(serve: Any, account_settings: MakeSettings) -> None:
    watched = WatchedHasher()
    async with serve(account_settings(), passwords=PasswordHasher(watched)) as client:
        await register(client)
        counts = []
        for email in (ANN, BEN):
            assert (await sign_in(client, email, "wrong")).status_code == 401
            counts.append(watched.verified)
    assert counts == [1, 2]


async def test_the_log_names_users_by_id_and_holds_no_secret(
    serve_accounts: ServeAccounts, start_log: StartLog
) -> None:
    async with serve_accounts() as client:
        log = start_log(debug=True)
        ann = await newcomer(client)
        renewed = (await refresh(client, ann.tokens)).json()
        await refresh(client, ann.tokens)
        await register(client)
        await sign_in(client, ANN, "a wrong guess")
        change = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
        await ann.request("POST", "/me/password", json=change)
        await client.post("/api/v1/auth/register", json={"email": ANN, "password": "short pass"})
    written = log.getvalue()
    assert ann.id in written
    assert "refresh_reuse" in written
    tokens = [pair[kind] for pair in (ann.tokens, renewed) for kind in ("access_token", "refresh_token")]
    secrets = [ANN, "ann@", PASSWORD, OTHER_PASSWORD, "a wrong guess", "short pass", "argon2", SECRET_KEY, *tokens]
    assert [secret for secret in secrets if secret in written] == []


async def test_background_work_is_waited_for_and_its_failures_are_nobodys() -> None:
    background, done = Background(), []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(1)

    async def failing() -> None:
        raise ValueError("of somebody@example.com")

    background.start(work(), name="work")
    background.start(failing(), name="failing")
    await background.drain()
    background.start(asyncio.Event().wait(), name="late")  # type: ignore[arg-type]  # returns a bool nobody reads
    await background.drain(seconds=0.01)
    assert done == [1]


async def test_housekeeping_begins_with_a_round_and_goes_on_though_a_job_fails() -> None:
    rounds: asyncio.Queue[int] = asyncio.Queue()
    done = 0

    async def failing() -> None:
        raise ValueError("of somebody@example.com")

    async def job() -> int:
        nonlocal done
        done += 1
        rounds.put_nowait(done)
        return done

    housekeeping = Housekeeping([failing, job], every_seconds=0.001)
    await housekeeping.stop()
    await housekeeping.start()
    assert rounds.get_nowait() == 1
    async with asyncio.timeout(10):
        assert [await rounds.get() for _ in range(2)] == [2, 3]
    await housekeeping.stop()
    last = done
    await asyncio.sleep(0)
    assert done == last


async def test_closed_registration_is_the_services_to_refuse(
    database: Database, account_settings: MakeSettings
) -> None:
    closed = open_accounts(
        account_settings(registration="closed"), database, cancel_work=(), passwords=cheap_passwords()
    )
    with pytest.raises(RegistrationClosed):
        await closed.sign_ins.accounts.register(ANN, PASSWORD, client_address=HOME)
    await closed.stop()
