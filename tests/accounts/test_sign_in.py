"""Signing in and out, changing the password, and the routes where there are no accounts."""

import asyncio
from typing import Any

import pytest

from app.accounts.assembly import Accounts
from app.accounts.passwords import PasswordHasher
from app.core.errors import Unauthorized
from tests.accounts.conftest import ServeAccounts
from tests.accounts.people import (
    ANN,
    BEN,
    OTHER_PASSWORD,
    PASSWORD,
    WatchedHasher,
    newcomer,
    refresh,
    register,
    sign_in,
)
from tests.accounts.sign_ins import HOME, enter, made
from tests.chat.client import NO_IDS, problem_of
from tests.conftest import MakeSettings


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


async def test_wrong_password_and_unknown_address_get_the_same_answer(serve_accounts: ServeAccounts) -> None:
    async with serve_accounts() as client:
        await register(client)
        answers = [await sign_in(client, ANN, "wrong"), await sign_in(client, BEN, "wrong")]
    problems = [problem_of(answer, status=401, code="unauthorized") | NO_IDS for answer in answers]
    assert problems[0] == problems[1]
    assert "www-authenticate" in answers[0].headers


async def test_the_work_does_not_tell_whether_there_is_an_account(serve: Any, account_settings: MakeSettings) -> None:
    watched = WatchedHasher()
    async with serve(account_settings(), passwords=PasswordHasher(watched)) as client:
        await register(client)
        counts = []
        for email in (ANN, BEN):
            assert (await sign_in(client, email, "wrong")).status_code == 401
            counts.append(watched.verified)
    assert counts == [1, 2]


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
