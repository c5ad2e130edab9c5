"""Every route is walked, from the OpenAPI document: as nobody, and as somebody whose data it is not.

A new route fails these tests until it stands in one of the lists below.
"""

import re
from typing import Any

import httpx2
import pytest

from app.main import create_app
from tests.accounts.conftest import ServeAccounts
from tests.accounts.people import BEN, Person, newcomer
from tests.chat.client import NO_IDS, problem_of
from tests.conftest import MakeSettings

PUBLIC = {
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",  # asks for a token of its own
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/token",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/password-reset",
    "POST /api/v1/auth/password-reset/confirm",
    "GET /api/v1/auth/google",
    "GET /api/v1/auth/google/callback",
}
"""What answers without a sign-in, because it is how one signs in, or says nothing of anybody."""

OWNED = {
    "GET /api/v1/turns/{turn_id}",
    "GET /api/v1/turns/{turn_id}/events",
    "POST /api/v1/turns/{turn_id}/cancel",
    "GET /api/v1/conversations/{conversation_id}",
    "DELETE /api/v1/conversations/{conversation_id}",
    "GET /api/v1/conversations/{conversation_id}/export",
    "POST /api/v1/chat",
}
"""What takes an id of somebody's, in the path or in the body."""

SIGNED_IN = {
    "GET /api/v1/me",
    "DELETE /api/v1/me",
    "POST /api/v1/me/password",
    "GET /api/v1/me/export",
    "GET /api/v1/conversations",
    "POST /api/v1/compare",
    "GET /api/v1/questions",
    "GET /api/v1/catalog",
    "GET /api/v1/usage",
}
"""What is the caller's own by its nature, or everybody's who is signed in."""

BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/chat": {"message": "make question 1 harder"},
    "POST /api/v1/compare": {
        "message": "backend interview",
        "interview_type": "technical",
        "techniques": ["zero_shot", "few_shot"],
    },
    "POST /api/v1/me/password": {"new_password": "seven loud frogs swim"},
    "DELETE /api/v1/me": {},
}
QUERIES = {"GET /api/v1/conversations/{conversation_id}/export": {"format": "json"}}


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every route of the document, such as `GET /healthz`."""
    return {
        f"{method.upper()} {path}": operation
        for path, found in document["paths"].items()
        for method, operation in found.items()
    }


def takes_an_id(document: dict[str, Any], operation: dict[str, Any]) -> bool:
    """Whether the path has an id, or the body one that is not the caller's to make."""
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        return True
    schemas = re.findall(r"'#/components/schemas/(\w+)'", str(operation.get("requestBody", {})))
    fields = {field for name in schemas for field in document["components"]["schemas"][name].get("properties", {})}
    return any(field.endswith("_id") for field in fields - {"client_id"})


@pytest.fixture
def document(account_settings: MakeSettings) -> dict[str, Any]:
    return create_app(account_settings()).openapi()


def test_every_route_is_decided(document: dict[str, Any]) -> None:
    found = operations(document)
    assert set(found) == PUBLIC | OWNED | SIGNED_IN
    assert {name for name, operation in found.items() if takes_an_id(document, operation)} == OWNED
    assert {name for name, operation in found.items() if "security" in operation} == OWNED | SIGNED_IN
    assert {name for name, operation in found.items() if "401" not in operation["responses"]} <= PUBLIC


async def call(client: httpx2.AsyncClient, route: str, ids: dict[str, str], headers: dict[str, str]) -> httpx2.Response:
    """The route with these ids wherever it takes one."""
    method, path = route.split()
    body = BODIES.get(route)
    if route == "POST /api/v1/chat":
        body = BODIES[route] | {"conversation_id": ids["conversation_id"]}
    return await client.request(method, path.format_map(ids), json=body, params=QUERIES.get(route), headers=headers)


async def talked(person: Person) -> dict[str, str]:
    """The ids of a conversation of theirs and its turn."""
    reply = (await person.request("POST", "/chat", json={"message": "senior backend interview, 1 question"})).json()
    return {name: reply[name] for name in ("conversation_id", "turn_id")}


async def test_nobody_gets_anything(serve_accounts: ServeAccounts, database_url: str) -> None:
    async with serve_accounts(database_url=database_url) as client:
        ids = await talked(await newcomer(client))
        for route in sorted(OWNED | SIGNED_IN):
            for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic YTpi"}):
                response = await call(client, route, ids, headers)
                problem_of(response, status=401, code="unauthorized")
                assert response.headers["www-authenticate"] == "Bearer", route


async def test_what_is_another_persons_is_not_found(serve_accounts: ServeAccounts, database_url: str) -> None:
    async with serve_accounts(database_url=database_url) as client:
        ann, ben = await newcomer(client), await newcomer(client, BEN)
        ids = await talked(ann)
        before = (await ann.request("GET", f"/conversations/{ids['conversation_id']}")).json()
        for route in sorted(OWNED):
            theirs = problem_of(await call(client, route, ids, ben.headers), status=404, code="not_found")
            nobodys = dict.fromkeys(ids, "0e8d7c5a-6f2b-4f0e-9a55-6a4d3c1b2f90")
            unknown = problem_of(await call(client, route, nobodys, ben.headers), status=404, code="not_found")
            assert theirs | NO_IDS == unknown | NO_IDS, "told apart from what there is not"
        lists = [(await person.request("GET", "/conversations")).json()["items"] for person in (ann, ben)]
        after = (await ann.request("GET", f"/conversations/{ids['conversation_id']}")).json()
        # The ids are good, after all; deleting comes last.
        mine = [(await call(client, route, ids, ann.headers)).status_code for route in sorted(OWNED, reverse=True)]

    assert [len(items) for items in lists] == [1, 0]
    assert before == after
    assert set(mine) <= {200, 204, 404, 409}
    assert mine.count(200) >= 3


async def test_another_persons_cursor_and_key_lead_nowhere(serve_accounts: ServeAccounts) -> None:
    async with serve_accounts() as client:
        ann, ben = await newcomer(client), await newcomer(client, BEN)
        for _ in range(2):
            await talked(ann)
        cursor = (await ann.request("GET", "/conversations?limit=1")).json()["next_cursor"]
        page = (await ben.request("GET", f"/conversations?cursor={cursor}")).json()
        replies = []
        for person in (ann, ben):
            headers = person.headers | {"Idempotency-Key": "same"}
            replies.append((await client.post("/api/v1/chat", json={"message": "hello"}, headers=headers)).json())
    assert cursor
    assert page["items"] == []
    assert replies[0]["conversation_id"] != replies[1]["conversation_id"]


async def test_other_methods_tell_nothing(serve_accounts: ServeAccounts) -> None:
    async with serve_accounts() as client:
        ids = await talked(await newcomer(client))
        for route in sorted(OWNED | SIGNED_IN):
            path = route.split()[1].format_map(ids)
            for method in ("HEAD", "OPTIONS", "PUT", "PATCH"):
                response = await client.request(method, path)
                assert response.status_code in {401, 405}, (method, path)
                assert not [value for value in ids.values() if value in response.text]


async def test_the_same_routes_serve_everybody_in_local_mode(serve: Any, make_settings: MakeSettings) -> None:
    async with serve(make_settings()) as client:
        reply = (await client.post("/api/v1/chat", json={"message": "hello"})).json()
        for path in (
            f"/conversations/{reply['conversation_id']}",
            f"/turns/{reply['turn_id']}",
            "/catalog",
            "/questions",
        ):
            assert (await client.get(f"/api/v1{path}")).status_code == 200
