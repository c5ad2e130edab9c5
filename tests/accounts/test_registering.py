"""Making an account: what is taken, by whom, and how often."""

import asyncio
from typing import Any

import pytest

from app.accounts.assembly import Accounts, open_accounts
from app.core.database import Database
from app.core.errors import EmailTaken, RateLimited, RegistrationClosed
from tests.accounts.conftest import ServeAccounts
from tests.accounts.people import ANN, OTHER_PASSWORD, PASSWORD, cheap_passwords, register
from tests.accounts.sign_ins import HOME, made
from tests.chat.client import named_fields, problem_of
from tests.conftest import MakeSettings


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


async def test_registration_can_be_closed(serve_accounts: ServeAccounts) -> None:
    async with serve_accounts(registration="closed") as client:
        problem_of(await register(client), status=403, code="registration_closed")


async def test_closed_registration_is_the_services_to_refuse(
    database: Database, account_settings: MakeSettings
) -> None:
    closed = open_accounts(
        account_settings(registration="closed"), database, cancel_work=(), passwords=cheap_passwords()
    )
    with pytest.raises(RegistrationClosed):
        await closed.sign_ins.accounts.register(ANN, PASSWORD, client_address=HOME)
    await closed.stop()


async def test_registering_is_limited(accounts: Accounts) -> None:
    signs = await made(accounts)
    for _ in range(4):
        with pytest.raises(EmailTaken):
            await signs.accounts.register(ANN, PASSWORD, client_address=HOME)
    with pytest.raises(RateLimited):
        await signs.accounts.register(ANN, PASSWORD, client_address=HOME)
