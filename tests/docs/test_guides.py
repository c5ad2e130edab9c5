"""Each guide of `docs/`, followed once to the letter in a copy of the repository, does what it promises."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.answers import JOB_DESCRIPTION, calls, hands_to, says_questions
from tests.docs.guide import CHANGE, DOCS, Block, Guide, GuideError, copy_repository, patched
from tests.e2e.server_process import ServerProcess, environment, launched
from tests.model_server import ModelServer, Say

INTERVIEW_TYPE, TECHNIQUE, PROVIDER, EXPORT = GUIDES = (
    "adding-an-interview-type",
    "adding-a-technique",
    "adding-a-provider",
    "adding-an-export",
)
GIT = shutil.which("git")
TESTS_SECONDS = 150


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository as a clone would hold it."""
    return copy_repository(tmp_path / "copy")


def followed(name: str, copy: Path) -> Guide:
    guide = Guide.read(name)
    guide.follow(copy)
    return guide


@contextmanager
def started(copy: Path, **settings: str) -> Iterator[ServerProcess]:
    """The copy's own server: a process whose working directory is the copy, where Python looks for `app` first."""
    with launched(copy, **settings) as server:
        server.wait_until_ready()
        yield server


def asked_of(model: ModelServer) -> dict[str, str]:
    return {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "sk-test-key", "DEFAULT_MODEL": "gpt-4o"}


def chat(server: ServerProcess, **body: object) -> dict[str, Any]:
    response = server.chat(**body)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def catalog(server: ServerProcess) -> dict[str, Any]:
    listed: dict[str, Any] = httpx2.get(f"{server.address}/api/v1/catalog").json()
    return listed


def run_in(copy: Path, *command: str) -> None:
    """Run a module of the development environment in the copy, and on the copy's code alone."""
    surroundings = {
        name: value for name, value in environment().items() if not name.startswith(("PYTEST_", "PYTHONPATH"))
    }
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=copy,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=TESTS_SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def pass_tests(copy: Path, *files: str) -> None:
    run_in(copy, "pytest", "-p", "no:cacheprovider", "--basetemp", str(copy.with_name("basetemp")), *files)


def test_the_guide_to_an_interview_type_makes_one_that_a_model_asks_about(copy: Path) -> None:
    followed(INTERVIEW_TYPE, copy)
    with ModelServer() as model:
        model.script(hands_to("pay_talk"), calls("pay_talk-zero_shot", stance="tough"), says_questions(2))
        with started(copy, **asked_of(model)) as server:
            reply = chat(server, message="Practise my pay talk", job_description=JOB_DESCRIPTION, question_count=2)
            types = {found["name"]: found for found in catalog(server)["interview_types"]}
        model.verify()
        triage, agent, technique = model.requests

    assert reply["agent"] == "pay_talk"
    assert reply["question_set"]["interview_type"] == "pay_talk"
    assert len(reply["question_set"]["questions"]) == 2
    assert types["pay_talk"]["title"] == "Pay talk"
    assert [found["name"] for found in types["pay_talk"]["techniques"]] == ["zero_shot"]
    assert "ask for a raise" in str(triage.body["tools"])
    assert "You prepare one candidate for a talk about pay" in agent.system_text
    assert "warm or tough" in str(agent.body["tools"])
    assert "You write what an employer says in a talk about pay" in technique.system_text
    assert "tough" in technique.last_user_text
    assert "{{" not in technique.system_text + technique.last_user_text


def test_the_guide_to_an_interview_type_gives_the_offline_engine_its_question(copy: Path) -> None:
    guide = followed(INTERVIEW_TYPE, copy)
    (item,) = yaml.safe_load(guide.block("plugins/pay_talk/questions/senior.yaml"))
    with started(copy) as server:
        reply = chat(server, message="Practise my pay talk with me", experience_level="senior", question_count=1)

    assert reply["agent"] == "pay_talk"
    assert [question["text"] for question in reply["question_set"]["questions"]] == [item["text"]]
    assert reply["question_set"]["questions"][0]["hints"] == item["hints"]


def test_the_guide_to_a_technique_makes_one_that_a_request_may_name(copy: Path) -> None:
    followed(TECHNIQUE, copy)
    with ModelServer() as model:
        model.script(calls("technical-self_critique"), says_questions(2))
        with started(copy, **asked_of(model)) as server:
            body = {"interview_type": "technical", "technique": "self_critique", "question_count": 2}
            reply = chat(server, message="senior backend interview", job_description=JOB_DESCRIPTION, **body)
            types = {found["name"]: found for found in catalog(server)["interview_types"]}
        model.verify()
        agent, technique = model.requests

    assert reply["question_set"]["technique"] == "self_critique"
    assert len(reply["question_set"]["questions"]) == 2
    assert "self_critique" in {found["name"] for found in types["technical"]["techniques"]}
    assert "technical-self_critique for a final round" in agent.system_text
    assert "your own hardest critic" in technique.system_text
    assert "Halden Freight" in technique.last_user_text
    assert technique.body["temperature"] == 0.6


def test_the_guide_to_a_provider_makes_one_that_is_asked_with_its_key(copy: Path) -> None:
    followed(PROVIDER, copy)
    with ModelServer() as model:
        model.script(Say("Which interview?"))
        settings = {"OPENROUTER_API_KEY": "sk-test-router", "OPENROUTER_BASE_URL": model.base_url}
        with started(copy, **settings) as server:
            reply = chat(server, message="Hello")
            listed = catalog(server)
        model.verify()
        (request,) = model.requests

    assert reply["reply"] == "Which interview?"
    assert listed["provider"] == "openrouter"
    assert [found["name"] for found in listed["models"]] == ["openai/gpt-5-mini"]
    assert listed["models"][0]["input_usd_per_million"] is not None
    assert request.headers["authorization"] == "Bearer sk-test-router"
    assert request.model == "openai/gpt-5-mini"
    assert reply["usage"]["model"] == "openai/gpt-5-mini"


def test_the_tests_of_the_guide_to_a_provider_pass(copy: Path) -> None:
    followed(PROVIDER, copy)

    pass_tests(
        copy,
        "tests/providers/test_openrouter.py",
        "tests/providers/test_openai_parameters.py",
        "tests/core/test_config.py",
        "tests/architecture/test_readme.py",
        "tests/architecture/test_source.py",
    )


def test_the_guide_to_an_export_makes_one_that_is_served(copy: Path) -> None:
    followed(EXPORT, copy)
    with started(copy) as server:
        reply = chat(server, message="senior backend interview", interview_type="technical", question_count=2)
        address = f"{server.address}/api/v1/conversations/{reply['conversation_id']}/export"
        file = httpx2.get(address, params={"format": "text"})
        operation = httpx2.get(f"{server.address}/openapi.json").json()["paths"][
            "/api/v1/conversations/{conversation_id}/export"
        ]["get"]

    assert file.status_code == 200, file.text
    assert file.headers["content-type"] == "text/plain; charset=utf-8"
    assert '.txt"; filename*=' in file.headers["content-disposition"]
    assert file.text.startswith("Technical interview")
    first, second = (question["text"] for question in reply["question_set"]["questions"])
    assert f"\n1. {first}\n" in file.text
    assert f"\n2. {second}\n" in file.text
    assert "text/plain; charset=utf-8" in operation["responses"]["200"]["content"]


def test_the_tests_of_the_guide_to_an_export_pass(copy: Path) -> None:
    followed(EXPORT, copy)

    pass_tests(copy, "tests/exports/test_text.py", "tests/exports/test_formats.py")


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_leaves_clean_code_and_names_nothing_that_is_not_there(name: str, copy: Path) -> None:
    guide = followed(name, copy)

    assert guide.unknown_names(copy) == []
    if python := [block.path for block in guide.blocks if block.path.endswith(".py")]:
        run_in(copy, "ruff", "check", "--no-cache", *python)
        run_in(copy, "ruff", "format", "--no-cache", "--check", *python)


@pytest.mark.skipif(GIT is None, reason="this machine has no git to apply the diffs with")
@pytest.mark.parametrize("name", GUIDES)
def test_git_applies_the_diffs_to_the_same_effect(name: str, copy: Path, tmp_path: Path) -> None:
    changes = [block for block in Guide.read(name).blocks if block.kind == CHANGE]
    before = {block.path: (copy / block.path).read_text(encoding="utf-8") for block in changes}
    for block in changes:
        diff = tmp_path / "change.diff"
        diff.write_text(block.text, encoding="utf-8")
        # Nothing above the copy may be taken for the repository that the paths belong to.
        surroundings = environment(GIT_CEILING_DIRECTORIES=str(tmp_path))
        subprocess.run(["git", "apply", str(diff)], cwd=copy, env=surroundings, check=True)

        assert (copy / block.path).read_text(encoding="utf-8") == patched(before[block.path], block)


def test_every_guide_is_followed() -> None:
    assert {path.stem for path in DOCS.glob("adding-*.md")} == set(GUIDES)


DIFF = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n"


def change(diff: str) -> Block:
    return Block(path="a.py", kind=CHANGE, language="diff", text=diff)


def test_a_diff_is_applied_where_its_lines_are() -> None:
    assert patched("zero\none\ntwo\nfour\n", change(DIFF)) == "zero\none\nthree\nfour\n"


@pytest.mark.parametrize(
    ("text", "diff"),
    [
        ("one\n\ntwo\n", DIFF),
        ("one\ntwo\none\ntwo\n", DIFF),
        ("and one\ntwo\n", DIFF),
        ("one\ntwo\n", DIFF.replace("-1,2", "-1,3")),
        ("one\ntwo\n", DIFF.replace("b/a.py", "b/b.py")),
    ],
    ids=["drifted", "ambiguous", "within a line", "miscounted", "of another file"],
)
def test_a_diff_that_does_not_fit_is_refused(text: str, diff: str) -> None:
    with pytest.raises(GuideError):
        patched(text, change(diff))


def test_a_block_that_does_not_say_what_it_is_is_refused() -> None:
    named = "**`a/b.py`** (new file)\n\n```python\nx = 1\n```\n\n```sh\nls\n```\n"

    assert Guide.of(named).blocks == (Block(path="a/b.py", kind="new file", language="python", text="x = 1\n"),)
    with pytest.raises(GuideError, match="2 blocks are files or diffs, but 1 say which"):
        Guide.of(f"{named}\n```json\n{json.dumps({})}\n```\n")


def test_a_name_that_is_not_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "there.py").write_text("class Known: ...\n", encoding="utf-8")
    guide = Guide.of("`Known`, `app/there.py`, `there.py`, `Unknown.of`, `app/gone.py`")

    assert guide.unknown_names(tmp_path) == ["app/gone.py", "Unknown", "of"]
