"""What nobody types where an address, a password or a token belongs."""

import asyncio

import pytest

from tests.accounts.conftest import ServeAccounts
from tests.accounts.people import ANN, PASSWORD, newcomer

ACCENTS = "a" + "\u0301" * 20_000 + "\u0316" * 20_000
"""Takes half a minute to normalise."""


@pytest.mark.parametrize("text", [ACCENTS, "\ufdfa" * 30_000, "a\x00b@example.com", "x" * 100_000], ids=str.__len__)
async def test_what_is_no_address_and_no_password_is_wrong_without_work(
    serve_accounts: ServeAccounts, database_url: str, text: str
) -> None:
    form = {"username": (None, text), "password": (None, text)}
    async with serve_accounts(database_url=database_url) as client, asyncio.timeout(20):
        answers = [
            await client.post("/api/v1/auth/token", files=form),
            await client.post("/api/v1/auth/register", json={"email": text, "password": PASSWORD}),
            await client.post("/api/v1/auth/register", json={"email": ANN, "password": text}),
        ]
    assert [answer.status_code for answer in answers] == [401, 422, 422]


async def test_half_a_surrogate_pair_is_refused_by_field(serve_accounts: ServeAccounts, database_url: str) -> None:
    broken = '"\\ud800"'
    async with serve_accounts(database_url=database_url) as client:
        ann = await newcomer(client)
        for method, path, field in (
            ("POST", "/auth/refresh", "refresh_token"),
            ("POST", "/auth/logout", "refresh_token"),
            ("POST", "/me/password", "current_password"),
            ("DELETE", "/me", "password"),
        ):
            new = ', "new_password": "seven loud frogs swim"' if path == "/me/password" else ""
            body = f'{{"{field}": {broken}{new}}}'
            headers = ann.headers | {"Content-Type": "application/json"}
            answer = await client.request(method, f"/api/v1{path}", content=body, headers=headers)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), path
