"""What is written down of sign-ins, in the audit and in the log, and for how long."""

import json

import pytest
from sqlmodel import select

from app.accounts.assembly import Accounts
from app.accounts.models import AuditEvent
from app.accounts.retention import AUDIT_RETENTION, tidy
from app.core.database import Database
from app.core.errors import Unauthorized
from tests.accounts.conftest import ServeAccounts
from tests.accounts.people import (
    ANN,
    BEN,
    OTHER_PASSWORD,
    PASSWORD,
    SECRET_KEY,
    Clock,
    newcomer,
    refresh,
    register,
    sign_in,
)
from tests.accounts.sign_ins import HOME, enter, kinds, made
from tests.core.conftest import StartLog


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


async def test_the_audit_is_kept_for_half_a_year(accounts: Accounts, database: Database, clock: Clock) -> None:
    await made(accounts)
    clock.forward(days=AUDIT_RETENTION.days)
    await tidy(database, now=clock)
    assert await kinds(database) == ["registered"]
    clock.forward(seconds=1)
    await tidy(database, now=clock)
    assert await kinds(database) == []


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
