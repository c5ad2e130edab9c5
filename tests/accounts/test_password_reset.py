"""A forgotten password, with a real mail server on loopback."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlmodel import select

from app.accounts.assembly import Accounts, open_accounts
from app.accounts.models import ResetCode
from app.core.database import Database
from app.core.errors import RateLimited, Unauthorized
from tests.accounts.conftest import ServeAccounts
from tests.accounts.mail_server import MailBox, mail_server
from tests.accounts.people import ANN, BEN, OTHER_PASSWORD, PASSWORD, Clock, cheap_passwords, newcomer, refresh, sign_in
from tests.accounts.sign_ins import HOME, STRANGER, made
from tests.chat.client import NO_IDS, named_fields, problem_of
from tests.conftest import MakeSettings


@pytest.fixture
async def mail_box() -> AsyncIterator[MailBox]:
    async with mail_server() as box:
        yield box


def by_mail(box: MailBox) -> dict[str, Any]:
    return {"smtp_url": f"smtp://me:s%40cret@127.0.0.1:{box.port}", "mail_from": "Greenroom <hello@example.com>"}


@pytest.fixture
async def accounts(
    database: Database, account_settings: MakeSettings, clock: Clock, mail_box: MailBox
) -> AsyncIterator[Accounts]:
    """Accounts that send e-mail; Ann has one."""
    opened = open_accounts(
        account_settings(**by_mail(mail_box)),
        database,
        cancel_work=(),
        passwords=cheap_passwords(),
        now=clock,
    )
    await made(opened)
    try:
        yield opened
    finally:
        await opened.stop()


async def ask(client: httpx2.AsyncClient, email: str = ANN) -> httpx2.Response:
    return await client.post("/api/v1/auth/password-reset", json={"email": email})


async def confirm(client: httpx2.AsyncClient, code: str, *, email: str = ANN, new: str = OTHER_PASSWORD) -> Any:
    body = {"email": email, "code": code, "new_password": new}
    return await client.post("/api/v1/auth/password-reset/confirm", json=body)


async def test_a_code_from_an_email_sets_a_new_password(serve_accounts: ServeAccounts, mail_box: MailBox) -> None:
    async with serve_accounts(**by_mail(mail_box)) as client:
        ann = await newcomer(client)
        asked = [await ask(client, "Ann@Example.com"), await ask(client, BEN)]
        message = await mail_box.message()
        code = await mail_box.code()
        weak = await confirm(client, code, new="short")
        wrong = [await confirm(client, "WRONG-WRONG"), await confirm(client, code, email=BEN)]
        done = await confirm(client, f" {code.lower().replace('-', ' ')} ")
        again = await confirm(client, code)
        out = [await ann.request("GET", "/me"), await refresh(client, ann.tokens), await sign_in(client)]
        back = await sign_in(client, ANN, OTHER_PASSWORD)
        me = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {back.json()['access_token']}"})

    assert [(answer.status_code, answer.content) for answer in asked] == [(202, b"null")] * 2
    assert (message["To"], message["From"]) == (ANN, "Greenroom <hello@example.com>")
    assert len(mail_box.messages) == 1
    assert mail_box.logins == [(b"me", b"s@cret")]
    assert len(code) == 11
    assert named_fields(problem_of(weak, status=422, code="validation_error")) == {"new_password"}
    problems = [problem_of(answer, status=401, code="unauthorized") | NO_IDS for answer in (*wrong, again)]
    assert problems[0] == problems[1] == problems[2], "the answer tells of no account"
    assert done.status_code == 204
    assert [answer.status_code for answer in out] == [401] * 3
    assert me.json()["is_email_verified"] is True


async def test_a_mail_server_that_fails_changes_no_answer(
    serve_accounts: ServeAccounts, mail_box: MailBox, capsys: pytest.CaptureFixture[str]
) -> None:
    mail_box.refuses = True
    async with serve_accounts(**by_mail(mail_box)) as client:
        await newcomer(client)
        refused = await ask(client)
    gone = by_mail(mail_box) | {"smtp_url": "smtp://127.0.0.1:1"}
    async with serve_accounts(**gone) as client:
        unreachable = await ask(client)
    assert (refused.status_code, unreachable.status_code) == (202, 202)
    log = capsys.readouterr().out
    assert (log.count("mail_failed"), log.count("mail_server_failed")) == (1, 1)
    assert ANN not in log


async def test_a_code_lives_ten_minutes(accounts: Accounts, mail_box: MailBox, clock: Clock) -> None:
    reset = accounts.reset
    await reset.request(ANN, client_address=HOME)
    code = await mail_box.code()
    clock.forward(minutes=10)
    with pytest.raises(Unauthorized):
        await reset.confirm(ANN, code, OTHER_PASSWORD, client_address=HOME)


async def test_a_code_takes_five_tries_however_many_come_at_once(
    accounts: Accounts, mail_box: MailBox, clock: Clock, database: Database
) -> None:
    reset = accounts.reset
    await reset.request(ANN, client_address=HOME)
    code = await mail_box.code()
    results = await asyncio.gather(
        *(reset.confirm(ANN, f"WRONG{number}", OTHER_PASSWORD, client_address=HOME) for number in range(8)),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["RateLimited"] * 3 + ["Unauthorized"] * 5
    async with database.reading() as session:
        (kept,) = (await session.exec(select(ResetCode))).all()
    assert kept.tries_left == 0
    assert code.replace("-", "") not in kept.model_dump_json()
    # Also for somebody whom the limit lets through again, and from elsewhere.
    clock.forward(seconds=61)
    for address in (HOME, STRANGER):
        with pytest.raises(Unauthorized):
            await reset.confirm(ANN, code, OTHER_PASSWORD, client_address=address)


async def test_a_new_code_replaces_the_old_one(accounts: Accounts, mail_box: MailBox) -> None:
    reset = accounts.reset
    await reset.request(ANN, client_address=HOME)
    old = await mail_box.code()
    await reset.request(ANN, client_address=HOME)
    new = await mail_box.code(2)
    with pytest.raises(Unauthorized):
        await reset.confirm(ANN, old, OTHER_PASSWORD, client_address=HOME)
    await reset.confirm(ANN, new, OTHER_PASSWORD, client_address=HOME)


async def test_asking_is_limited_alike_for_everybody(accounts: Accounts) -> None:
    for email in (ANN, BEN):
        for _ in range(5):
            await accounts.reset.request(email, client_address=HOME)
        with pytest.raises(RateLimited):
            await accounts.reset.request(email.upper(), client_address=HOME)


async def test_a_reset_lets_the_owner_in_again_whom_guesses_have_locked_out(
    accounts: Accounts, mail_box: MailBox
) -> None:
    signs = accounts.sign_ins.accounts
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await signs.sign_in(ANN, "wrong", client_address=STRANGER)
    await accounts.reset.request(ANN, client_address=HOME)
    await accounts.reset.confirm(ANN, await mail_box.code(), OTHER_PASSWORD, client_address=HOME)
    await signs.sign_in(ANN, OTHER_PASSWORD, client_address=HOME)


async def test_a_stranger_who_asks_for_codes_keeps_nobody_out(accounts: Accounts, mail_box: MailBox) -> None:
    reset = accounts.reset
    for _ in range(5):
        await reset.request(ANN, client_address=STRANGER)
        with pytest.raises(Unauthorized):
            await reset.confirm(ANN, "WRONG", PASSWORD, client_address=STRANGER)
    with pytest.raises(RateLimited):
        await reset.request(ANN, client_address=STRANGER)
    with pytest.raises(RateLimited):
        await reset.confirm(ANN, "WRONG", PASSWORD, client_address=STRANGER)
    await mail_box.message(5)

    await reset.request(ANN, client_address=HOME)
    await reset.confirm(ANN, await mail_box.code(6), OTHER_PASSWORD, client_address=HOME)
    await accounts.sign_ins.accounts.sign_in(ANN, OTHER_PASSWORD, client_address=HOME)
