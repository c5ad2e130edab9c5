"""The API against its own OpenAPI document: schemathesis makes requests, and all of its checks judge the answers."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx2

from tests.accounts.people import SECRET_KEY, cheap_passwords, newcomer
from tests.chat.client import FIRST, chat
from tests.conftest import MakeSettings, Serve

SCHEMATHESIS = Path(sys.executable).parent / "st"

# What no schema can say: a cursor is one that a page gave, a technique is one of its type, the screen reads a text, and
# a first day is not after the last. Nor that in local mode nobody signs in or out, that an empty field of a form counts
# as missing, and which password, code or token is right.
CONFIG = """\
[[operations]]
include-path-regex = "^/api/v1/(chat|compare|conversations|questions|usage)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422", "429"]

[[operations]]
include-path-regex = "^/api/v1/(auth/.*|me|me/password)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422", "429"]
"""


async def complaints(client: httpx2.AsyncClient, folder: Path, headers: Mapping[str, str]) -> str:
    """What schemathesis finds wrong with the service, asked with these headers; empty if nothing."""
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    process = await asyncio.create_subprocess_exec(
        str(SCHEMATHESIS),
        f"--config-file={config}",
        "run",
        f"{client.base_url}/openapi.json",
        *(f"--header={name}: {value}" for name, value in headers.items()),
        "--checks=all",
        "--phases=examples,coverage,fuzzing,stateful",
        "--max-examples=5",
        "--max-failures=20",
        "--seed=1",
        "--no-color",
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode()[-20_000:] if process.returncode else ""


async def test_every_answer_is_as_the_document_says(serve: Serve, make_settings: MakeSettings, tmp_path: Path) -> None:
    async with serve(make_settings()) as client:
        await chat(client, **FIRST)
        found = await complaints(client, tmp_path, {})
    assert not found, found


async def test_every_answer_is_as_the_document_says_where_people_sign_in(
    serve: Serve, make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(auth_mode="accounts", secret_key=SECRET_KEY)
    async with serve(settings, passwords=cheap_passwords()) as client:
        ann = await newcomer(client)
        await ann.request("POST", "/chat", json=FIRST)
        found = await complaints(client, tmp_path, ann.headers)
        assert (await ann.request("GET", "/me")).status_code == 200, "nothing it did signed anybody out"
    assert not found, found
