"""What a client still reads when its sign-in ends: nothing more. The turn itself runs on."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx2
import pytest

from tests.accounts.conftest import ServeAccounts
from tests.accounts.people import ANN, OTHER_PASSWORD, PASSWORD, Person, newcomer, sign_in
from tests.chat.client import FIRST, STREAM, events_of, problem_of
from tests.model_server import ModelServer, Silence


def signs_out(person: Person) -> Awaitable[httpx2.Response]:
    return person.client.post("/api/v1/auth/logout", json={"refresh_token": person.tokens["refresh_token"]})


def changes_password(person: Person) -> Awaitable[httpx2.Response]:
    body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    return person.request("POST", "/me/password", json=body)


def deletes_account(person: Person) -> Awaitable[httpx2.Response]:
    return person.request("DELETE", "/me", json={"password": PASSWORD})


def provider(model_server: ModelServer, database_url: str) -> dict[str, str]:
    return {"openai_base_url": model_server.base_url, "default_model": "gpt-4o", "database_url": database_url}


@pytest.mark.parametrize("ends", [signs_out, changes_password, deletes_account], ids=lambda way: way.__name__)
async def test_an_open_stream_ends_with_the_sign_in(
    serve_accounts: ServeAccounts,
    model_server: ModelServer,
    database_url: str,
    ends: Callable[[Person], Awaitable[httpx2.Response]],
) -> None:
    model_server.script(Silence())
    async with serve_accounts(**provider(model_server, database_url)) as client:
        ann = await newcomer(client)
        async with client.stream("POST", "/api/v1/chat", json=FIRST, headers=STREAM | ann.headers) as response:
            events = events_of(response)
            turn_id = (await anext(events)).data["turn_id"]
            await model_server.until(lambda: model_server.answers_in_flight == 1)
            assert (await ends(ann)).status_code == 204
            rest = [event.kind async for event in events]
        again = await ann.request("GET", f"/turns/{turn_id}/events")
        is_kept = ends is not deletes_account
        await model_server.until(lambda: model_server.answers_in_flight == int(is_kept))

    problem_of(again, status=401, code="unauthorized")
    assert not {"turn.completed", "turn.failed"} & set(rest)
    assert not is_kept or "turn.cancelled" not in rest


async def test_whoever_waits_for_a_reply_is_told_and_another_sign_in_reads_on(
    serve_accounts: ServeAccounts, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(Silence())
    async with serve_accounts(**provider(model_server, database_url)) as client:
        ann = await newcomer(client)
        elsewhere = Person(client, ann.id, (await sign_in(client, ANN)).json())
        waiting = asyncio.create_task(ann.request("POST", "/chat", json=FIRST))
        await model_server.until(lambda: model_server.answers_in_flight == 1)
        (conversation,) = (await elsewhere.request("GET", "/conversations")).json()["items"]
        detail = (await elsewhere.request("GET", f"/conversations/{conversation['id']}")).json()
        path = f"/turns/{detail['messages'][0]['turn_id']}"
        async with client.stream("GET", f"/api/v1{path}/events", headers=elsewhere.headers) as response:
            await signs_out(ann)
            problem_of(await waiting, status=401, code="unauthorized")
            assert (await elsewhere.request("GET", path)).json()["status"] == "running"
            assert (await elsewhere.request("POST", f"{path}/cancel")).status_code == 204
            kinds = [event.kind async for event in events_of(response)]
    assert kinds[-1] == "turn.cancelled"
