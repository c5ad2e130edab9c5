"""Builders of what reaches the offline engine: an agent's call with its tools, and a technique's rendered prompt."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from semantic_kernel.contents import AuthorRole, ChatHistory, FunctionCallContent

from app.bank.questions import QuestionBank
from app.core.fences import fence
from app.providers.offline.decisions import Call, Decision, Say
from app.providers.offline.engine import Engine
from tests.conftest import shipped_plugins

TYPES = {
    "behavioral": "STAR stories about past experience, teamwork, conflict.",
    "case_study": "Business cases, market sizing, pricing.",
    "reverse": "The questions the candidate asks the employer, red flags.",
    "technical": "Coding, debugging, SQL, APIs, system design.",
}
TECHNIQUES = ("few_shot", "chain_of_thought", "zero_shot", "role_based", "structured_output")

POSTING = """Senior Backend Engineer
About us
We have sold tickets since 1998 and love Python.
What you will do
- Run Kafka consumers that never lose an order
- Tune PostgreSQL queries for List<String> & R&D reports
- Mentor two juniors
Requirements
- Five years with Kubernetes
- Clear written communication with stakeholders
"""


def real_bank() -> QuestionBank:
    return shipped_plugins().bank


@cache
def real_engine() -> Engine:
    return Engine(real_bank())


def function(name: str, description: str = "", parameters: Sequence[str] = ()) -> dict[str, Any]:
    properties = {parameter: {"type": "string"} for parameter in parameters}
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": properties},
        },
    }


def tools_of(agent: str, types: dict[str, str] = TYPES, techniques: Sequence[str] = TECHNIQUES) -> list[dict[str, Any]]:
    """The tools of a specialist, or of triage."""
    tools = [function(f"Handoff-transfer_to_{name}", text) for name, text in types.items() if name != agent]
    if agent == "triage":
        return tools
    arguments = ("focus", "change", "positions", "count", "stated_level", "standing_wish")
    tools += [function(f"{agent}-{technique}", "A technique.", arguments) for technique in techniques]
    tools += [function("cost-spent_so_far"), function("cost-estimate", parameters=("question_count", "model"))]
    tools += [function(f"questions-{name}", parameters=("positions", "note")) for name in ("drop", "keep")]
    tools.append(function("questions-restore", parameters=("revision", "note")))
    return [*tools, function("security-check_text", parameters=("text",))]


def question(position: int, **fields: Any) -> dict[str, Any]:
    """A question of the current set, as the conversation's state holds it."""
    return {
        "position": position,
        "text": f"Question text {position}?",
        "difficulty": "medium",
        "category": "system_design",
        "time_minutes": 10,
        "requirement": "Run Kafka consumers" if position == 1 else None,
        "level_signal": f"signal {position}",
        "evaluation_criteria": [f"Names {position}", f"Compares {position}", f"Computes {position}"],
        "hints": [f"nudge {position}", f"look {position}", f"step {position}"],
        "sample_framework": f"Clarify ___ {position}",
        **fields,
    }


def history(
    message: str, *, agent: str | None = None, set_of: str | None = None, past: Sequence[str] = (), **state: Any
) -> ChatHistory:
    """The history of an agent's call. `past` alternates between candidate and assistant, the candidate first."""
    questions = [question(position) for position in range(1, 6)]
    data = {
        "active_agent": agent,
        "experience_level": None,
        "question_count": 5,
        "interviewer": None,
        "wishes": [],
        "job_description": None,
        "resume": None,
        "current_question_set": {"interview_type": set_of, "revision": 1, "questions": questions} if set_of else None,
        "other_question_sets": [],
        "earlier_requests": [],
        **state,
    }
    chat = ChatHistory(system_message="You are an agent.")
    chat.add_user_message(
        "The conversation so far, as data:\n" + fence("conversation_state", json.dumps(data), "0a1b2c3d")
    )
    for index, text in enumerate(past):
        chat.add_message({"role": "user" if index % 2 == 0 else "assistant", "content": text})
    chat.add_user_message(message)
    return chat


def with_result(chat: ChatHistory, name: str, result: str) -> ChatHistory:
    """The same history after a tool was called and answered."""
    call = FunctionCallContent(id="call_0", name=name, arguments="{}")
    chat.add_assistant_message([call])
    chat.add_tool_message(result, tool_call_id="call_0", function_name=name.partition("-")[2])
    chat.messages[-1].items[0].name = name  # type: ignore[union-attr]  # it is a call
    return chat


def decide(message: str, *, agent: str, **options: Any) -> Decision:
    """What the engine decides for the agent of that name, in the middle of a conversation about a set of its own."""
    options.setdefault("agent", agent)
    options.setdefault("set_of", agent)
    options.setdefault("past", ("questions please", "**1.** Question text 1?\n\n**2.** Question text 2?"))
    tools = options.pop("tools", None) or tools_of(agent)
    return real_engine().decide(history(message, **options), tools)


def triage(message: str, types: dict[str, str] = TYPES, **state: Any) -> Decision:
    return real_engine().decide(history(message, **state), tools_of("triage", types))


def called(decision: Decision) -> Call:
    assert isinstance(decision, Call), decision
    return decision


def said(decision: Decision) -> str:
    assert isinstance(decision, Say), decision
    return decision.text


def prompt(
    *,
    interview_type: str = "technical",
    technique: str = "few_shot",
    level: str | None = "senior",
    count: int = 5,
    change: str = "",
    positions: Sequence[int] = (),
    wishes: Sequence[str] = (),
    interviewer: dict[str, str] | None = None,
    seen: Sequence[str] = (),
    current: Sequence[dict[str, Any]] = (),
    request: str = "questions please",
    posting: str = POSTING,
) -> str:
    """A technique's user message, as the orchestration renders it."""
    settings = {
        "interview_type": interview_type,
        "technique": technique,
        "experience_level": level,
        "question_count": len(positions) or count,
        "change": change or ("replace" if positions else "new"),
        "positions": list(positions),
        "wishes": list(wishes),
        "interviewer": interviewer,
    }
    blocks = {
        "settings": json.dumps(settings),
        "seen_questions": json.dumps(list(seen)),
        "current_questions": json.dumps(list(current)),
        "resume": "None given.",
        "request": request,
        "job_description": posting or "None given. Assume a usual role of the kind named in the request.",
    }
    return "\n".join(f"{name}: {fence(name, text, '0a1b2c3d')}" for name, text in blocks.items())


def produce(engine: Engine | None = None, **fields: Any) -> dict[str, Any]:
    """The JSON that a technique gives for such a prompt."""
    chat = ChatHistory(system_message="You write interview questions.")
    chat.add_message({"role": AuthorRole.USER, "content": prompt(**fields)})
    document: dict[str, Any] = json.loads(said((engine or real_engine()).decide(chat, None)))
    return document


def as_current(document: dict[str, Any]) -> list[dict[str, Any]]:
    """A technique's questions as the next prompt's current set."""
    return [{**item, "position": place} for place, item in enumerate(document["questions"], start=1)]


def texts(document: dict[str, Any]) -> list[str]:
    return [item["text"] for item in document["questions"]]
