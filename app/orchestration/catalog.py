"""The catalog: every agent and technique, discovered from the plugin folders and checked before the first request.

A folder with an `agent.yaml` is an agent; `triage` takes the first message, every other one is an interview type. A
folder inside it with `skprompt.txt` and `config.json` is a technique. Adding a type is adding a folder.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from semantic_kernel.exceptions import KernelException
from semantic_kernel.functions import KernelFunctionFromPrompt

from app.core.errors import CatalogError
from app.providers.base import Sampling

ENTRY_AGENT = "triage"
NATIVE_PLUGINS = ("cost", "security")

TURN_ARGUMENTS = frozenset(
    {
        "output_contract",
        "settings",
        "seen_questions",
        "current_questions",
        "request",
        "job_description",
        "question_count",
        "level_reminder",
    }
)
"""What the turn supplies to a technique; hidden from the tool schema, so no model has to echo a job description."""

REQUIRED_ARGUMENTS = frozenset({"output_contract", "settings", "request", "job_description"})

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
FilledText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class AgentFile(BaseModel):
    """`agent.yaml`."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    title: FilledText
    description: FilledText
    instructions: FilledText
    techniques: list[Name] | None = None
    default_technique: Name | None = None


@dataclass(frozen=True)
class Technique:
    """One prompt function of an interview type."""

    name: str
    description: str
    function: KernelFunctionFromPrompt
    sampling: Sampling


@dataclass(frozen=True)
class AgentSpec:
    """One agent, ready to be made into a `ChatCompletionAgent` for a turn."""

    name: str
    title: str
    description: str
    instructions: str
    techniques: Mapping[str, Technique]
    """By name, the default first. Empty for triage."""


@dataclass(frozen=True)
class Catalog:
    """Everybody who can take part in a turn."""

    entry: AgentSpec
    specialists: Mapping[str, AgentSpec]

    def agent(self, name: str) -> AgentSpec:
        """The agent of that name, triage included."""
        return self.entry if name == self.entry.name else self.specialists[name]

    def technique(self, agent: str, name: str) -> Technique | None:
        """The technique, or None where that function is none."""
        spec = self.specialists.get(agent)
        return spec.techniques.get(name) if spec else None


def load_catalog(plugins_dir: Path) -> Catalog:
    """Read every agent under `plugins_dir`.

    Raises:
        CatalogError: naming the file with the gap and what to do about it.
    """
    if not plugins_dir.is_dir():
        raise CatalogError(f"{plugins_dir} is not a folder: set PLUGINS_DIR to the folder that holds the agents")
    specs = {spec.name: spec for spec in (_load_agent(folder) for folder in _agent_folders(plugins_dir))}
    entry = specs.pop(ENTRY_AGENT, None)
    if entry is None:
        raise CatalogError(f"{plugins_dir / ENTRY_AGENT / 'agent.yaml'} is missing: it takes the first message")
    if not specs:
        raise CatalogError(f"{plugins_dir} holds no interview type: add a folder with an agent.yaml")
    return Catalog(entry=entry, specialists=specs)


def _agent_folders(plugins_dir: Path) -> Iterator[Path]:
    for folder in sorted(path for path in plugins_dir.iterdir() if path.is_dir()):
        if (folder / "agent.yaml").is_file():
            yield folder
        elif any(_technique_folders(folder)):
            raise CatalogError(f"{folder / 'agent.yaml'} is missing: the folder has techniques but no agent")


def _technique_folders(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and any((path / file).is_file() for file in ("skprompt.txt", "config.json")):
            yield path


def _load_agent(folder: Path) -> AgentSpec:
    path = folder / "agent.yaml"
    file = _read_agent_file(path)
    if file.name != folder.name or file.name in NATIVE_PLUGINS:
        raise CatalogError(f"{path}: name must be the folder's, {folder.name!r}, and not one of {NATIVE_PLUGINS}")
    if "{{" in file.instructions:
        raise CatalogError(f"{path}: instructions take no variables; what varies reaches the agent as data")
    names = file.techniques or [found.name for found in _technique_folders(folder)]
    for found in _technique_folders(folder):
        if found.name not in names:
            raise CatalogError(f"{path}: techniques does not list the folder {found.name!r}")
    if file.name != ENTRY_AGENT and not names:
        raise CatalogError(f"{folder} has no technique: add a folder with skprompt.txt and config.json")
    if file.default_technique and file.default_technique not in names:
        raise CatalogError(f"{path}: default_technique {file.default_technique!r} is not among the techniques {names}")
    ordered = sorted(names, key=lambda name: name != file.default_technique)
    return AgentSpec(
        name=file.name,
        title=file.title,
        description=file.description,
        instructions=file.instructions,
        techniques={name: _load_technique(folder / name) for name in ordered},
    )


def _read_agent_file(path: Path) -> AgentFile:
    try:
        return AgentFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        gaps = "; ".join(f"{'.'.join(map(str, gap['loc'])) or 'file'}: {gap['msg']}" for gap in error.errors())
        raise CatalogError(f"{path}: {gaps}") from error


def _load_technique(folder: Path) -> Technique:
    prompt, config = folder / "skprompt.txt", folder / "config.json"
    for file in (prompt, config):
        if not file.is_file() or not file.read_text(encoding="utf-8").strip():
            raise CatalogError(f"{file} is missing or empty: a technique is a skprompt.txt and a config.json")
    declared = _declared_variables(config)
    used = set(re.findall(r"\{\{\s*\$(\w+)", prompt.read_text(encoding="utf-8")))
    if unknown := used - TURN_ARGUMENTS - declared:
        raise CatalogError(f"{prompt}: unknown variables {sorted(unknown)}; the turn supplies {sorted(TURN_ARGUMENTS)}")
    if missing := REQUIRED_ARGUMENTS - used:
        raise CatalogError(f"{prompt}: does not use {sorted(missing)}, without which the model cannot know the task")
    try:
        function = KernelFunctionFromPrompt.from_directory(str(folder), plugin_name=folder.parent.name)
    except (KernelException, ValidationError) as error:
        raise CatalogError(f"{prompt} cannot be read as a Semantic Kernel prompt: {error}") from error
    _hide_turn_arguments(function)
    return Technique(
        name=folder.name, description=function.description or "", function=function, sampling=_sampling(function)
    )


def _declared_variables(config: Path) -> set[str]:
    try:
        document = json.loads(config.read_text(encoding="utf-8"))
        names = {variable["name"] for variable in document.get("input_variables", [])}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CatalogError(f"{config} is not a valid prompt configuration: {error}") from error
    if "allow_dangerously_set_content" in config.read_text(encoding="utf-8"):
        raise CatalogError(f"{config}: allow_dangerously_set_content lets a job description give orders; take it out")
    if not str(document.get("description", "")).strip():
        raise CatalogError(f"{config}: description is missing; the agent chooses its technique by it")
    if reserved := names & TURN_ARGUMENTS:
        raise CatalogError(f"{config}: {sorted(reserved)} are supplied by the turn and cannot be asked of the model")
    return names


def _hide_turn_arguments(function: KernelFunctionFromPrompt) -> None:
    for parameter in function.metadata.parameters:
        if parameter.name in TURN_ARGUMENTS:
            parameter.include_in_function_choices = False
            parameter.is_required = False


def _sampling(function: KernelFunctionFromPrompt) -> Sampling:
    settings = function.prompt_execution_settings.get("default")
    wishes: dict[str, Any] = settings.extension_data if settings else {}
    return Sampling(
        temperature=wishes.get("temperature"),
        top_p=wishes.get("top_p"),
        frequency_penalty=wishes.get("frequency_penalty"),
        max_output_tokens=wishes.get("max_tokens"),
    )
