"""Refresh tokens: each works once, and a second use ends the sign-in."""

import asyncio

import pytest
from sqlmodel import select

from app.accounts.assembly import Accounts, open_accounts
from app.accounts.models import AuditKind, RefreshToken
from app.accounts.retention import tidy
from app.accounts.sessions import KEPT_USED_TOKENS
from app.core.database import Database
from app.core.errors import Unauthorized
from tests.accounts.people import Clock, cheap_passwords
from tests.accounts.sign_ins import HOME, STRANGER, enter, kinds, made
from tests.conftest import MakeSettings


async def test_a_used_refresh_token_ends_its_family_and_no_other(accounts: Accounts, database: Database) -> None:
    signs = await made(accounts)
    first, other = await enter(signs), await enter(signs)
    second = await signs.sessions.refresh(first.refresh_token, client_address=HOME)

    with pytest.raises(Unauthorized):
        await signs.sessions.refresh(first.refresh_token, client_address=STRANGER)
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


async def test_no_token_stands_in_the_database(accounts: Accounts, database: Database) -> None:
    signs = await made(accounts)
    tokens = await enter(signs)
    async with database.reading() as session:
        rows = [row.model_dump_json() for row in (await session.exec(select(RefreshToken))).all()]
    assert rows
    assert not [row for row in rows if tokens.refresh_token in row or tokens.access_token in row]
