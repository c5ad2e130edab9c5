"""What an agent's call holds, as values: the tools offered, the state of the conversation, and what was said."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from semantic_kernel.contents import AuthorRole, ChatHistory, FunctionResultContent

from app.bank.questions import ExperienceLevel
from app.core.fences import read_fence

TRANSFER_PREFIX = "Handoff-transfer_to_"
HANDOFF_PLUGIN = "Handoff"
SPENT_TOOL = "cost-spent_so_far"
ESTIMATE_TOOL = "cost-estimate"
DROP_TOOL, KEEP_TOOL, RESTORE_TOOL = "questions-drop", "questions-keep", "questions-restore"
EDITING_TOOLS = frozenset({DROP_TOOL, KEEP_TOOL, RESTORE_TOOL})
NATIVE_PLUGINS = frozenset({HANDOFF_PLUGIN, "cost", "security", "questions"})
POSITIONS_ARGUMENT = "positions"


@dataclass(frozen=True)
class Tools:
    """The functions offered in a call, by what they are for."""

    transfers: dict[str, str]
    """Description by agent."""
    techniques: tuple[str, ...]
    """Full names, the default first; empty for triage."""
    others: frozenset[str]

    @property
    def interview_type(self) -> str | None:
        """Whose techniques these are."""
        return self.techniques[0].partition("-")[0] if self.techniques else None

    def technique(self, name: str) -> str | None:
        """The full name of the technique, or None where it is not offered."""
        return next((full for full in self.techniques if full.partition("-")[2] == name), None)

    @classmethod
    def read(cls, tools: Sequence[dict[str, Any]]) -> "Tools":
        """Sort the tools of a request, given in the usual function-calling format."""
        functions = [tool.get("function", {}) for tool in tools]
        transfers = {
            function["name"].removeprefix(TRANSFER_PREFIX): function.get("description") or ""
            for function in functions
            if function["name"].startswith(TRANSFER_PREFIX)
        }
        own = [function for function in functions if function["name"].partition("-")[0] not in NATIVE_PLUGINS]
        revisable = [function for function in own if POSITIONS_ARGUMENT in _parameters(function)]
        techniques = tuple(function["name"] for function in revisable or own)
        known = {*techniques, *(TRANSFER_PREFIX + agent for agent in transfers)}
        others = frozenset(function["name"] for function in functions if function["name"] not in known)
        return cls(transfers=transfers, techniques=techniques, others=others)


@dataclass(frozen=True)
class CurrentSet:
    """The question set that an agent of its type may talk about or change."""

    interview_type: str
    revision: int
    level: ExperienceLevel | None
    questions: tuple[dict[str, Any], ...]

    def question(self, position: int) -> dict[str, Any]:
        """The question at a position that exists."""
        return self.questions[position - 1]


@dataclass(frozen=True)
class Conversation:
    """One call of an agent."""

    tools: Tools
    message: str
    """The candidate's latest message."""
    past: tuple[tuple[bool, str], ...]
    """Earlier messages, oldest first: whether the candidate wrote it, and its text."""
    active_agent: str | None
    """The agent that the turn started with; None is triage."""
    level: ExperienceLevel | None
    question_count: int
    posting: str
    resume: str
    wishes: tuple[str, ...]
    """What the candidate wants for good."""
    has_interviewer: bool
    earlier_requests: tuple[str, ...]
    """A line for each turn before the messages in `past`, oldest first."""
    current: CurrentSet | None
    other_sets: dict[str, int]
    """How many questions there are of each further type."""
    tool_result: tuple[str, str] | None
    """Name and answer of the function that was called last, when its result has just come."""

    @property
    def interview_type(self) -> str | None:
        """The speaking agent's own type; None for triage."""
        return self.tools.interview_type

    @property
    def own_set(self) -> CurrentSet | None:
        """The current set, if it is of the speaking agent's type."""
        return self.current if self.current and self.current.interview_type == self.interview_type else None

    @property
    def own_size(self) -> int:
        """How many questions the speaking agent's set has, also when only its size is known."""
        return len(self.own_set.questions) if self.own_set else self.other_sets.get(self.interview_type or "", 0)

    @property
    def was_handed_over(self) -> bool:
        """Whether another agent gave this one the turn: then it does not pass it on."""
        return self.interview_type is not None and self.active_agent != self.interview_type

    @property
    def is_opening(self) -> bool:
        """Whether nothing was said before this message."""
        return not self.past


def read_conversation(history: ChatHistory, tools: Sequence[dict[str, Any]]) -> Conversation:
    """Read a call as the orchestration makes it; what is missing counts as not known."""
    users = [index for index, message in enumerate(history.messages) if message.role == AuthorRole.USER]
    first = history.messages[users[0]].content if users else ""
    state = _state(first)
    start = users[0] + 1 if users and state else 0
    said = [
        (message.role == AuthorRole.USER, message.content)
        for message in history.messages[start : users[-1] if users else 0]
        if message.role in {AuthorRole.USER, AuthorRole.ASSISTANT} and message.content
    ]
    return Conversation(
        tools=Tools.read(tools),
        message=history.messages[users[-1]].content if users else "",
        past=tuple(said),
        active_agent=state.get("active_agent"),
        level=level_or_none(state.get("experience_level")),
        question_count=state.get("question_count") or 5,
        posting=state.get("job_description") or "",
        resume=state.get("resume") or "",
        wishes=tuple(state.get("wishes") or ()),
        has_interviewer=bool(state.get("interviewer")),
        earlier_requests=tuple(state.get("earlier_requests") or ()),
        current=_current(state.get("current_question_set")),
        other_sets={other["interview_type"]: other["questions"] for other in state.get("other_question_sets") or []},
        tool_result=_tool_result(history),
    )


def level_or_none(value: Any) -> ExperienceLevel | None:
    """The level of that name, or None for anything else."""
    return ExperienceLevel(value) if value in set(ExperienceLevel) else None


def _parameters(function: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = function.get("parameters", {}).get("properties", {})
    return properties


def _state(text: str) -> dict[str, Any]:
    try:
        state = json.loads(read_fence("conversation_state", text) or "{}")
    except ValueError:
        return {}
    return state if isinstance(state, dict) else {}


def _current(value: Any) -> CurrentSet | None:
    if not isinstance(value, dict) or not value.get("questions"):
        return None
    return CurrentSet(
        interview_type=value["interview_type"],
        revision=value.get("revision") or 1,
        level=level_or_none(value.get("experience_level")),
        questions=tuple(value["questions"]),
    )


def _tool_result(history: ChatHistory) -> tuple[str, str] | None:
    last = history.messages[-1] if history.messages else None
    if last is None or last.role != AuthorRole.TOOL:
        return None
    results = [item for item in last.items if isinstance(item, FunctionResultContent)]
    return (results[-1].name or "", str(results[-1].result)) if results else None
