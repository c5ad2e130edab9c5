"""Guessing passwords is slowed down, and keeps nobody out who is signed in."""

import asyncio

import pytest

from app.accounts.assembly import Accounts
from app.core.errors import RateLimited, Unauthorized
from tests.accounts.conftest import ServeAccounts
from tests.accounts.people import ANN, BEN, OTHER_PASSWORD, PASSWORD, Clock, register, sign_in
from tests.accounts.sign_ins import HOME, STRANGER, enter, made
from tests.chat.client import problem_of


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
            await enter(signs, ANN, "wrong", client_address=STRANGER)
    with pytest.raises(RateLimited):
        await enter(signs)
    await signs.accounts.change_password(caller, PASSWORD, OTHER_PASSWORD, client_address=HOME)
    await signs.accounts.delete(caller, OTHER_PASSWORD, client_address=HOME)
