"""A catalog with a gap stops the start-up with a message that names the file and says what to do."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import CatalogError
from app.orchestration.catalog import load_catalog
from tests.orchestration.plugin_folders import add_salary_talk, copy_plugins

Break = Callable[[Path], object]

AGENT = "technical/agent.yaml"
PROMPT = "technical/few_shot/skprompt.txt"
CONFIG = "technical/few_shot/config.json"


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plugins = copy_plugins(tmp_path_factory.mktemp("intact") / "plugins")
    for other in ("case_study", "reverse"):
        shutil.rmtree(plugins / other)
    for bank in plugins.glob("*/questions"):
        shutil.rmtree(bank)
    return plugins


@pytest.fixture
def plugins(intact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(intact, tmp_path / "plugins"))


def write(name: str, text: str | bytes) -> Break:
    return lambda plugins: (plugins / name).write_bytes(text.encode() if isinstance(text, str) else text)


def remove(name: str) -> Break:
    return lambda plugins: (plugins / name).unlink()


def replace(name: str, old: str, new: str) -> Break:
    def change(plugins: Path) -> None:
        text = (plugins / name).read_text(encoding="utf-8")
        assert old in text, "the test no longer fits the real file"
        (plugins / name).write_text(text.replace(old, new), encoding="utf-8")

    return change


def append(name: str, text: str) -> Break:
    return lambda plugins: (plugins / name).write_text((plugins / name).read_text(encoding="utf-8") + text)


def rename_technique(plugins: Path) -> None:
    agent = "name: behavioral\ntitle: B\ndescription: B\ninstructions: B\n"
    (plugins / "behavioral/agent.yaml").write_text(agent, encoding="utf-8")
    (plugins / "behavioral/zero_shot").rename(plugins / "behavioral/Zero-Shot")


def remove_folders(pattern: str) -> Break:
    def change(plugins: Path) -> None:
        for path in list(plugins.glob(pattern)):
            shutil.rmtree(path)

    return change


def configure(**changes: Any) -> Break:
    def change(plugins: Path) -> None:
        document = json.loads((plugins / CONFIG).read_text(encoding="utf-8")) | changes
        (plugins / CONFIG).write_text(json.dumps(document), encoding="utf-8")

    return change


def variable(**fields: Any) -> Break:
    return configure(input_variables=[{"name": "tone", "description": "warm or tough", "json_schema": "str"} | fields])


GAPS: dict[str, tuple[Break, str, str]] = {
    "no prompt": (remove(PROMPT), PROMPT, "missing or empty"),
    "empty prompt": (write(PROMPT, " \n"), PROMPT, "missing or empty"),
    "prompt in another encoding": (write(PROMPT, "Prüfung".encode("latin-1")), PROMPT, "UTF-8"),
    "no config": (remove(CONFIG), CONFIG, "missing or empty"),
    "empty config": (write(CONFIG, ""), CONFIG, "missing or empty"),
    "config is not JSON": (write(CONFIG, "{'schema': 1}"), CONFIG, "JSON"),
    "config in another encoding": (write(CONFIG, b'{"description": "\xff"}'), CONFIG, "UTF-8"),
    "config is a list": (write(CONFIG, "[]"), CONFIG, "object"),
    "no description": (configure(description=" "), CONFIG, "description"),
    "null description": (configure(description=None), CONFIG, "description"),
    "variables are no list": (configure(input_variables=None), CONFIG, "input_variables"),
    "a variable without a name": (configure(input_variables=[{}]), CONFIG, "input_variables.0.name"),
    "a variable that the turn supplies": (variable(name="job_description"), CONFIG, "job_description"),
    "a variable of no JSON type": (variable(json_schema="text"), CONFIG, "json_schema"),
    "a temperature in words": (
        configure(execution_settings={"default": {"temperature": "hot"}}),
        CONFIG,
        "execution_settings.default.temperature",
    ),
    "another template language": (configure(template_format="jinja2"), CONFIG, "template_format"),
    "content without encoding": (configure(allow_dangerously_set_content=True), CONFIG, "allow_dangerously"),
    "a variable without encoding": (variable(allow_dangerously_set_content=True), CONFIG, "allow_dangerously"),
    "an unknown variable": (append(PROMPT, "{{$salary}}"), PROMPT, "salary"),
    "no job description in the prompt": (replace(PROMPT, "{{$job_description}}", ""), PROMPT, "job_description"),
    "no output contract in the prompt": (replace(PROMPT, "{{$output_contract}}", ""), PROMPT, "output_contract"),
    "a block that never ends": (append(PROMPT, "{{$settings"), PROMPT, "{{$settings"),
    "a block with two variables": (append(PROMPT, "{{$settings $request}}"), PROMPT, "{{$settings $request}}"),
    "a block that calls a function": (append(PROMPT, "{{cost.spent_so_far}}"), PROMPT, "{{cost.spent_so_far}}"),
    "a message that never ends": (replace(PROMPT, "</message>", ""), PROMPT, "<message>"),
    "a bare ampersand": (append(PROMPT, "R&D"), PROMPT, "&amp;"),
    "no agent file": (remove(AGENT), AGENT, "missing"),
    "agent file is not YAML": (write(AGENT, "name: [technical"), AGENT, "YAML"),
    "agent file in another encoding": (write(AGENT, b"name: \xff"), AGENT, "YAML"),
    "agent file is empty": (write(AGENT, ""), AGENT, "dictionary"),
    "another name than the folder's": (replace(AGENT, "name: technical", "name: tech"), AGENT, "'technical'"),
    "no instructions": (replace(AGENT, "instructions: |", "instructions: ''\nnotes: |"), AGENT, "instructions"),
    "a misspelt key": (append(AGENT, "\ntechnique: [few_shot]\n"), AGENT, "technique"),
    "a variable in the instructions": (append(AGENT, "\n  {{$job_description}}\n"), AGENT, "instructions"),
    "an unknown default": (replace(AGENT, "technique: few_shot", "technique: poem"), AGENT, "'poem'"),
    "a folder that is not listed": (replace(AGENT, ", zero_shot", ""), AGENT, "'zero_shot'"),
    "a listed folder that is not there": (
        replace(AGENT, "[few_shot,", "[haiku, few_shot,"),
        "technical/haiku/skprompt.txt",
        "missing",
    ),
    "a technique's name that no tool can have": (rename_technique, "behavioral/Zero-Shot", "name"),
    "no triage": (remove_folders("triage"), "triage/agent.yaml", "missing"),
    "triage with a technique": (
        lambda plugins: shutil.copytree(plugins / "technical/few_shot", plugins / "triage/few_shot"),
        "triage/agent.yaml",
        "few_shot",
    ),
    "a type without techniques": (remove_folders("behavioral/*/"), "behavioral", "missing"),
    "no interview type": (remove_folders("[tb]e*"), "", "agent.yaml"),
}


@pytest.mark.parametrize("gap", GAPS)
def test_a_gap_is_named_by_its_file(gap: str, plugins: Path) -> None:
    break_it, file, hint = GAPS[gap]
    break_it(plugins)

    with pytest.raises(CatalogError) as caught:
        load_catalog(plugins)

    assert str(plugins / file) in str(caught.value)
    assert hint in str(caught.value).replace(str(plugins), "")


def test_without_a_gap_it_loads(plugins: Path) -> None:
    assert set(load_catalog(plugins).specialists) == {"behavioral", "technical"}


def test_folders_that_are_no_agent_are_left_alone(plugins: Path) -> None:
    (plugins / "notes").mkdir()
    (plugins / "notes" / "ideas.md").write_text("later", encoding="utf-8")
    (plugins / "technical" / "drafts").mkdir()

    assert "notes" not in load_catalog(plugins).specialists


def test_techniques_need_no_list_and_types_may_be_named_as_in_json(plugins: Path) -> None:
    add_salary_talk(plugins)
    config = plugins / "salary_talk/zero_shot/config.json"
    variables = [{"name": "tone"}, {"name": "minutes", "json_schema": "integer"}, {"name": "n", "json_schema": "int"}]
    config.write_text(json.dumps({"description": "Salary.", "input_variables": variables}), encoding="utf-8")

    spec = load_catalog(plugins).specialists["salary_talk"]

    chosen = [parameter for parameter in spec.techniques["zero_shot"].function.parameters if parameter.schema_data]
    kinds = {parameter.name: (parameter.schema_data or {}).get("type") for parameter in chosen}
    assert kinds | {"tone": "string", "minutes": "integer", "n": "integer"} == kinds


def test_the_server_stops_at_a_gap_with_that_message(plugins: Path, tmp_path: Path) -> None:
    (plugins / PROMPT).unlink()

    result = subprocess.run(
        [sys.executable, "-m", "app", "serve"],
        env=os.environ
        | {"APP_PORT": "0", "PLUGINS_DIR": str(plugins), "DATABASE_URL": f"sqlite:///{tmp_path / 'greenroom.db'}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode not in {0, -15}
    assert f"greenroom: {plugins / PROMPT} is missing or empty" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "greenroom.db").exists()
