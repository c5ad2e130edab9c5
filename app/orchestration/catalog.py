"""The catalog: every agent and technique, discovered from the plugin folders and checked before the first request.

A folder with an `agent.yaml` is an agent; `triage` takes the first message, every other one is an interview type. A
folder inside it with `skprompt.txt` and `config.json` is a technique. Adding a type is adding a folder.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from semantic_kernel.contents import ChatHistory
from semantic_kernel.exceptions import KernelException
from semantic_kernel.functions import (
    KernelFunctionFromPrompt,
    KernelFunctionMetadata,
    KernelParameterMetadata,
    KernelPlugin,
)

from app.bank.examples import worked_examples
from app.bank.questions import ExperienceLevel, QuestionBank
from app.core.errors import CatalogError
from app.core.tokens import estimated_tokens
from app.core.yaml_text import parsed_yaml
from app.orchestration.contract import OUTPUT_CONTRACT, OUTPUT_SCHEMA
from app.providers.base import Sampling

ENTRY_AGENT = "triage"
NATIVE_PLUGINS = ("cost", "security", "questions")

TURN_ARGUMENTS = frozenset(
    {
        "output_contract",
        "settings",
        "seen_questions",
        "current_questions",
        "request",
        "resume",
        "job_description",
        "question_count",
        "level_reminder",
        "examples",
    }
)
"""What the turn supplies to a technique; hidden from the tool schema, so no model has to echo a job description."""

REQUIRED_ARGUMENTS = frozenset({"output_contract", "settings", "request", "job_description"})

CHOICES = {
    "focus": "What the candidate wants from these questions, one sentence, their words; never the job description.",
    "change": (
        "new: a whole new set. add: further questions beside the current ones. replace: other questions at "
        "`positions`, which includes harder, easier or another topic. reword: the same questions at `positions`, "
        "shorter, clearer or translated."
    ),
    "positions": 'For replace and reword: positions in the current set, e.g. "3" or "1,4"; empty means all of them.',
    "count": "Number of questions, only when the candidate names one.",
    "stated_level": "junior, mid, senior or lead; only when the latest message states or changes the level.",
    "standing_wish": (
        "What shall hold for later questions too, only when the latest message says so: a language, a topic to leave "
        "out, a time limit; else empty."
    ),
}
"""What every technique lets the agent's model choose, whether its config.json words it for its type or not."""

TOOL_NAME_CHARACTERS = 64
"""Providers take no longer ones; a technique's tool is called `<agent>-<technique>`."""

_CONTRACT_TOKENS = estimated_tokens(OUTPUT_CONTRACT) + estimated_tokens(json.dumps(OUTPUT_SCHEMA))

_VARIABLE = re.compile(r"\{\{\s*\$(\w+)")

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
Name = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
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


JSON_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}


class PromptVariable(BaseModel):
    """What the agent's model fills in when it calls the technique."""

    name: Name
    description: str = ""
    json_schema: Literal["str", "int", "float", "bool", "string", "integer", "number", "boolean"] = "str"


class PromptSampling(BaseModel):
    """The technique's own wishes; those of a request go first."""

    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    max_tokens: int | None = None

    def sampling(self) -> Sampling:
        """As the providers take it."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            frequency_penalty=self.frequency_penalty,
            max_output_tokens=self.max_tokens,
        )


class PromptSettings(BaseModel):
    """`execution_settings` of a prompt, of which there is one set for every provider."""

    default: PromptSampling = PromptSampling()


class PromptFile(BaseModel):
    """`config.json`, as far as the catalog reads it; the rest is Semantic Kernel's."""

    description: FilledText
    template_format: Literal["semantic-kernel"] = "semantic-kernel"
    execution_settings: PromptSettings = PromptSettings()
    input_variables: list[PromptVariable] = []


class TechniqueMetadata(KernelFunctionMetadata):
    """What a technique's tool schema is made of; complete once the catalog is read.

    Semantic Kernel copies the functions of every agent twice in each turn. Copying the parameters as well took a third
    of the processor time of a turn, so the copies share them.
    """

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> "TechniqueMetadata":
        return self.model_copy()


@dataclass(frozen=True)
class Technique:
    """One prompt function of an interview type."""

    name: str
    description: str
    function: KernelFunctionFromPrompt
    sampling: Sampling
    interview_description: str
    """What the interview type is for, as its agent describes itself."""
    rules_tokens: int
    """What the prompt's own text takes of a call with the contract and its schema, roughly."""
    examples: Mapping[ExperienceLevel, str]
    """Items of the question bank by level, as JSON lines; empty where the prompt shows none."""

    def examples_at(self, level: ExperienceLevel | None) -> str:
        """The examples of the level; of mid, where none is known."""
        return self.examples.get(level or ExperienceLevel.MID, "")


@dataclass(frozen=True)
class AgentSpec:
    """One agent, ready to be made into a `ChatCompletionAgent` for a turn."""

    name: str
    title: str
    description: str
    instructions: str
    techniques: Mapping[str, Technique]
    """By name, the default first. Empty for triage."""

    @cached_property
    def plugin(self) -> KernelPlugin:
        """All techniques as functions. Made once: Semantic Kernel copies whatever goes into a plugin, and shares it."""
        return self.plugin_of(self.techniques.values())

    def plugin_of(self, techniques: Iterable[Technique]) -> KernelPlugin:
        """Some techniques as functions."""
        return KernelPlugin(name=self.name, functions=[technique.function for technique in techniques])


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


def load_catalog(plugins_dir: Path, bank: QuestionBank | None = None) -> Catalog:
    """Read every agent under `plugins_dir`. Techniques that show examples take them from the bank beside them.

    `bank` is that bank where it has been read already.

    Raises:
        CatalogError: naming the file with the gap and what to do about it.
    """
    if not plugins_dir.is_dir():
        raise CatalogError(f"{plugins_dir} is not a folder: set PLUGINS_DIR to the folder that holds the agents")
    bank = bank or QuestionBank.load(plugins_dir)
    specs = {spec.name: spec for spec in (_load_agent(folder, bank) for folder in _agent_folders(plugins_dir))}
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


def _load_agent(folder: Path, bank: QuestionBank) -> AgentSpec:
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
    if file.name == ENTRY_AGENT and names:
        raise CatalogError(f"{path}: {ENTRY_AGENT} only hands over; move the techniques {names} to an interview type")
    if file.name != ENTRY_AGENT and not names:
        raise CatalogError(f"{folder} has no technique: add a folder with skprompt.txt and config.json")
    for name in names:
        if not NAME.fullmatch(name) or len(f"{file.name}-{name}") > TOOL_NAME_CHARACTERS:
            raise CatalogError(f"{folder / name}: a technique's name is lower case, with _ and digits, and short")
    if file.default_technique and file.default_technique not in names:
        raise CatalogError(f"{path}: default_technique {file.default_technique!r} is not among the techniques {names}")
    ordered = sorted(names, key=lambda name: name != file.default_technique)
    return AgentSpec(
        name=file.name,
        title=file.title,
        description=file.description,
        instructions=file.instructions,
        techniques={name: _load_technique(folder / name, file, bank) for name in ordered},
    )


def _read_agent_file(path: Path) -> AgentFile:
    try:
        return AgentFile.model_validate(parsed_yaml(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        raise CatalogError(f"{path}: {_gaps(error)}") from error


def _load_technique(folder: Path, agent: AgentFile, bank: QuestionBank) -> Technique:
    prompt, config = folder / "skprompt.txt", folder / "config.json"
    template, file = _read(prompt), _read_prompt_file(config)
    choices = {name: PromptVariable(name=name, description=text) for name, text in CHOICES.items()}
    declared = choices | {variable.name: variable for variable in file.input_variables}
    if reserved := declared.keys() & TURN_ARGUMENTS:
        raise CatalogError(f"{config}: {sorted(reserved)} are supplied by the turn and cannot be asked of the model")
    try:
        function = KernelFunctionFromPrompt.from_directory(str(folder), plugin_name=folder.parent.name)
    except (KernelException, ValidationError, ValueError) as error:
        raise CatalogError(f"{prompt} cannot be read as a Semantic Kernel prompt: {error}") from error
    if broken := _broken_blocks(template):
        raise CatalogError(f"{prompt}: {broken} is no variable; the template syntax is {{{{$name}}}}")
    if any("<message" in message.content for message in ChatHistory.from_rendered_prompt(template).messages):
        # Semantic Kernel would send all of it as one user message, and say so in a log line only.
        raise CatalogError(f"{prompt}: the <message> tags are not well-formed; write & as &amp; and < as &lt;")
    used = set(_VARIABLE.findall(template))
    if unknown := used - TURN_ARGUMENTS - declared.keys():
        raise CatalogError(f"{prompt}: unknown variables {sorted(unknown)}; the turn supplies {sorted(TURN_ARGUMENTS)}")
    if missing := REQUIRED_ARGUMENTS - used:
        raise CatalogError(f"{prompt}: does not use {sorted(missing)}, without which the model cannot know the task")
    _describe_to_model(function.metadata.parameters, declared)
    function.metadata = TechniqueMetadata(**dict(function.metadata))
    return Technique(
        name=folder.name,
        description=file.description,
        function=function,
        sampling=file.execution_settings.default.sampling(),
        interview_description=agent.description,
        rules_tokens=estimated_tokens(template) + _CONTRACT_TOKENS,
        examples=_examples(bank, folder.parent.name) if "examples" in used else {},
    )


def _examples(bank: QuestionBank, interview_type: str) -> Mapping[ExperienceLevel, str]:
    questions = bank.of_type(interview_type)
    return {level: worked_examples(questions, level) for level in ExperienceLevel}


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
    except UnicodeDecodeError as error:
        raise CatalogError(f"{path} is not UTF-8 text: {error}") from error
    if not text.strip():
        raise CatalogError(f"{path} is missing or empty: a technique is a skprompt.txt and a config.json")
    return text


def _read_prompt_file(path: Path) -> PromptFile:
    text = _read(path)
    if "allow_dangerously_set_content" in text:
        raise CatalogError(f"{path}: allow_dangerously_set_content lets a job description give orders; take it out")
    try:
        return PromptFile.model_validate_json(text)
    except ValidationError as error:
        raise CatalogError(f"{path}: {_gaps(error)}") from error


def _broken_blocks(template: str) -> str:
    """What stands between double braces and is no variable, or the rest after an opening that is never closed."""
    match = re.search(r"\{\{(?!\s*\$\w+\s*\}\}).{0,40}", template)
    return match.group() if match else ""


def _describe_to_model(parameters: list[KernelParameterMetadata], declared: Mapping[str, PromptVariable]) -> None:
    """Leave what is declared in the tool's schema, with the types of JSON, and hide the rest."""
    known = {parameter.name for parameter in parameters}
    parameters.extend(KernelParameterMetadata(name=name, default_value="") for name in declared if name not in known)
    for parameter in parameters:
        variable = declared.get(parameter.name or "")
        # Also of what is declared: a model may leave it out, and the offline engine always does.
        parameter.is_required = False
        if variable is None:
            parameter.include_in_function_choices = False
        else:
            # Semantic Kernel knows Python's names of types only, and makes an object of every other.
            parameter.description = variable.description
            parameter.schema_data = {
                "type": JSON_TYPES[variable.json_schema],
                "description": variable.description,
            }


def _gaps(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, gap['loc'])) or 'file'}: {gap['msg']}" for gap in error.errors())
