"""The API against its own OpenAPI document: schemathesis makes requests, and all of its checks judge the answers."""

import asyncio
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.chat.client import FIRST, chat
from tests.conftest import MakeSettings, Serve

SCHEMATHESIS = Path(sys.executable).parent / "st"

# What no schema can say: a cursor is one that a page gave, a technique is one of its type, the screen
# reads a text, and a first day is not after the last.
CONFIG = """\
[[operations]]
include-path-regex = "^/api/v1/(chat|compare|conversations|questions|usage)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422", "429"]

# In local mode nobody signs in or out; and an empty field of a form counts as missing, which its schema does not say.
[[operations]]
include-path-regex = "^/api/v1/(auth/.*|me|me/password)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "422"]
"""


@pytest.mark.parametrize("seed", [1])
async def test_every_answer_is_as_the_document_says(
    serve: Serve, make_settings: MakeSettings, tmp_path: Path, seed: int
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    async with serve(make_settings()) as client:
        await chat(client, **FIRST)
        process = await asyncio.create_subprocess_exec(
            str(SCHEMATHESIS),
            f"--config-file={config}",
            "run",
            f"{client.base_url}/openapi.json",
            "--checks=all",
            "--phases=examples,coverage,fuzzing,stateful",
            "--max-examples=5",
            "--max-failures=20",
            f"--seed={seed}",
            "--no-color",
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        alive = await client.get("/readyz", headers={"X-Request-ID": uuid4().hex})
    assert process.returncode == 0, output.decode()[-20_000:]
    assert alive.status_code == 200
