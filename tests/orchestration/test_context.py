"""How much the models are sent: it does not grow with the conversation, and keeps within the budget of a model."""

import json
from dataclasses import replace
from typing import Any

import pytest

from app.conversations.service import EARLIER_REQUESTS, HISTORY_MESSAGES, SEEN_QUESTIONS
from app.core.fences import read_fence
from app.core.tokens import estimated_tokens
from app.orchestration.context import PAST_MESSAGE_TOKENS, SUMMARY_TOKENS
from app.orchestration.order import MAX_WISHES, WISH_CHARACTERS
from app.orchestration.questions import MAX_QUESTIONS, QuestionSet
from app.orchestration.turn import PastMessage
from tests.answers import calls, hands_to, question, says_questions
from tests.chat.conducting import brief, question_set, stage
from tests.conftest import MakeSettings
from tests.model_server import ModelServer, RecordedRequest, Say

LATIN = "You will own the booking service that three hundred forwarders call all day long. "
CJK = "三百の運送会社が一日中呼び出す予約サービスを設計し、運用し、改善する責任者を求めます。"
CUT = "[…]"


def _text(of: str, characters: int) -> str:
    return (of * (characters // len(of) + 1))[:characters]


def _tokens(request: RecordedRequest) -> int:
    """Everything that is sent, tools and instructions included."""
    tools = json.dumps(request.body.get("tools", []), ensure_ascii=False)
    return estimated_tokens(tools) + sum(estimated_tokens(str(message["content"])) for message in request.messages)


def _data_tokens(request: RecordedRequest) -> int:
    """What is sent beside the instructions."""
    texts = [str(message["content"]) for message in request.messages if message["role"] != "system"]
    return sum(estimated_tokens(text) for text in texts)


def _state(request: RecordedRequest) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(read_fence("conversation_state", str(request.messages[1]["content"])) or "")
    return state


def _block(request: RecordedRequest, name: str) -> Any:
    return json.loads(read_fence(name, request.last_user_text) or "")


# A conversation that goes on and on.


def _conversation(turns: int, current: QuestionSet) -> dict[str, Any]:
    """The task of the turn after so many, as the conversation keeps them."""
    said = [
        f"In turn {turn:03}, could question 2 go deeper into what happens when the queue is full?"
        for turn in range(turns)
    ]
    answered = ["Only question 2 is another one. " * 20] * turns
    history = [
        PastMessage(is_from_candidate=is_question, text=text)
        for pair in zip(said, answered, strict=True)
        for is_question, text in zip((True, False), pair, strict=True)
    ]
    before = said[: -HISTORY_MESSAGES // 2] if turns > HISTORY_MESSAGES // 2 else []
    return {
        "agent": "technical",
        "history": tuple(history[-HISTORY_MESSAGES:]),
        "earlier_requests": tuple(f"{line} -> technical set, revision 7" for line in before[-EARLIER_REQUESTS:]),
        "question_sets": {"technical": replace(current, revision=turns)},
        "seen_questions": tuple(f"Seen in turn {turn:03}: {question(turn + 1)['text']}" for turn in range(turns))[
            -SEEN_QUESTIONS:
        ],
    }


async def test_the_200th_turn_sends_what_an_early_one_did(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    current = question_set(5)
    sent: dict[int, tuple[int, int]] = {}
    async with stage(openai_settings()) as conducted:
        for turns in (2, 70, 200):
            model_server.script(
                calls("technical-few_shot", change="replace", positions="2"),
                Say(json.dumps({"questions": [question(40, text="How would you drain a full queue?")]})),
            )
            await conducted.turn("harder", **_conversation(turns, current))
            agent, technique = model_server.requests[-2:]
            sent[turns] = (_tokens(agent), _tokens(technique))

    for late, full, early in zip(sent[200], sent[70], sent[2], strict=True):
        assert abs(late - full) < full * 0.03, "what is kept of a conversation is full, and stays as it is"
        assert early < late < early + HISTORY_MESSAGES * PAST_MESSAGE_TOKENS + SUMMARY_TOKENS


# A conversation that is as large as one can be.


def _large_set(of: str, count: int) -> QuestionSet:
    base = question_set(count)
    fields = {
        "requirement": _text(of, 60),
        "level_signal": _text(of, 200),
        "evaluation_criteria": [_text(of, 80)] * 4,
        "follow_ups": [_text(of, 80)] * 3,
        "hints": [_text(of, 80)] * 3,
        "sample_framework": _text(of, 300),
    }
    texts = [f"{number}: {_text(of, 60)}" for number in range(1, count + 1)]
    questions = [
        found.model_copy(update=fields | {"text": text}) for found, text in zip(base.questions, texts, strict=True)
    ]
    return replace(base, questions=tuple(questions))


def _large(of: str, *, message: int) -> dict[str, Any]:
    return {
        "message": _text(of, message),
        "brief": brief(
            job_description=_text(of, 20_000),
            resume=_text(of, 20_000),
            wishes=tuple(f"{number} {_text(of, 40)}" for number in range(MAX_WISHES)),
            interviewer={"style": _text(of, 200)},
        ),
        "history": tuple(
            PastMessage(is_from_candidate=number % 2 == 0, text=_text(of, 5_000)) for number in range(HISTORY_MESSAGES)
        ),
        "earlier_requests": tuple(f"{number} {_text(of, 120)}" for number in range(EARLIER_REQUESTS)),
        "seen_questions": tuple(f"Seen {number} {_text(of, 60)}" for number in range(SEEN_QUESTIONS)),
        "question_sets": {
            "behavioral": replace(question_set(MAX_QUESTIONS), interview_type="behavioral"),
            "technical": _large_set(of, MAX_QUESTIONS),
        },
    }


async def _send(
    openai_settings: MakeSettings, model_server: ModelServer, agent: str | None, **task: Any
) -> list[RecordedRequest]:
    """Conduct a turn whose technique is repaired, and return what was sent."""
    if agent is None:
        model_server.script(hands_to("technical"))
    model_server.script(
        calls("technical-few_shot", change="replace", positions="7", focus="harder"),
        Say(_text("Nothing of this is a question ", 60_000)),
        says_questions(1, first=30),
    )
    async with stage(openai_settings()) as conducted:
        await conducted.turn(agent=agent, **task)
    return model_server.requests


@pytest.mark.parametrize("agent", [None, "technical"])
@pytest.mark.parametrize("of", [LATIN, CJK], ids=["latin", "cjk"])
@pytest.mark.parametrize("context_tokens", [24_000, 64_000, 500_000])
async def test_a_large_conversation_fits_into_the_budget_with_all_instructions(
    openai_settings: MakeSettings, model_server: ModelServer, *, agent: str | None, of: str, context_tokens: int
) -> None:
    task = _large(of, message=5_000)
    sent = await _send(openai_settings, model_server, agent, context_tokens=context_tokens, **task)

    assert [_tokens(request) for request in sent if _tokens(request) > context_tokens] == []
    _nothing_indispensable_is_missing(sent, task)


@pytest.mark.parametrize("agent", [None, "technical"])
@pytest.mark.parametrize("of", [LATIN, CJK], ids=["latin", "cjk"])
async def test_in_a_small_budget_only_what_cannot_be_left_out_is_over(
    openai_settings: MakeSettings, model_server: ModelServer, *, agent: str | None, of: str
) -> None:
    task = _large(of, message=2_000)
    sent = await _send(openai_settings, model_server, agent, context_tokens=4_000, **task)

    questions = [f"{found.text} {found.requirement}" for found in task["question_sets"]["technical"].questions]
    fixed = [task["message"], *questions, *task["brief"].wishes]
    room = 4_000 + sum(estimated_tokens(text) for text in fixed)
    assert [_data_tokens(request) for request in sent if _data_tokens(request) > room] == []
    _nothing_indispensable_is_missing(sent, task)


def _each_is_there(shown: list[dict[str, Any]], questions: list[str]) -> None:
    """Every question by its position, whole or at least its beginning."""
    assert [found["position"] for found in shown] == list(range(1, len(questions) + 1))
    for found, text in zip(shown, questions, strict=True):
        assert len(found["text"]) > 8
        assert text.startswith(found["text"].removesuffix("\n[…]"))


def _nothing_indispensable_is_missing(sent: list[RecordedRequest], task: dict[str, Any]) -> None:
    questions = [found.text for found in task["question_sets"]["technical"].questions]
    *agents, technique, repair = sent
    for request in agents:
        _each_is_there(_state(request)["current_question_set"]["questions"], questions)
        assert _state(request)["wishes"] == list(task["brief"].wishes)
        assert request.last_user_text == task["message"]
        summary = _state(request)["earlier_requests"]
        assert sum(map(estimated_tokens, summary)) <= SUMMARY_TOKENS
        assert summary == list(task["earlier_requests"][EARLIER_REQUESTS - len(summary) :])
    _each_is_there(_block(technique, "current_questions"), questions)
    known = [text for text in questions if not text.startswith("7:")]
    assert _block(repair, "needs")["known"][: len(known)] == known
    for request in (technique, repair):
        assert read_fence("request", request.last_user_text) == f"{task['message']}\nharder"
        assert _block(request, "settings")["wishes"] == list(task["brief"].wishes)


async def test_triage_is_sent_the_beginning_of_the_posting_and_no_resume(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Say("Which interview?"), Say("It names retries."))
    told = brief(job_description=_text(LATIN, 20_000), resume="Ran the invoice import of a brewery.")
    async with stage(openai_settings()) as conducted:
        await conducted.turn("hello", brief=told)
        await conducted.turn("why?", brief=told, agent="technical")

    triage, specialist = map(_state, model_server.requests)
    assert triage["resume"] is None
    assert "brewery" not in json.dumps(model_server.requests[0].messages)
    assert specialist["resume"] == "Ran the invoice import of a brewery."
    assert len(triage["job_description"]) < len(specialist["job_description"]) / 4


async def test_what_was_cut_says_so_and_what_was_not_does_not(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    short = {"job_description": "Night nurse in Ghent.", "resume": "Twelve years on a stroke ward."}
    long = {"job_description": _text(LATIN, 20_000), "resume": _text(CJK, 20_000)}
    async with stage(openai_settings()) as conducted:
        for documents in (short, long):
            model_server.script(calls("technical-few_shot"), says_questions(2))
            history = tuple(PastMessage(is_from_candidate=True, text=text) for text in documents.values())
            await conducted.turn(agent="technical", brief=brief(**documents), history=history, context_tokens=8_000)

    for documents, is_cut, (agent, technique) in (
        (short, False, model_server.requests[:2]),
        (long, True, model_server.requests[2:]),
    ):
        state = _state(agent)
        assert state["job_description_is_excerpt"] is is_cut
        told = [read_fence(name, technique.last_user_text) or "" for name in ("job_description", "resume")]
        past = [str(message["content"]) for message in agent.messages[2:-1]]
        seen = [state["job_description"], state["resume"], *told, *past]
        assert len(seen) == 6
        for text, original in zip(seen, [*documents.values()] * 3, strict=True):
            assert text.endswith(CUT) is is_cut
            assert original.startswith(text.removesuffix(f"\n{CUT}"))


# Lasting wishes.


async def test_lasting_wishes_are_kept_once_and_the_oldest_goes(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    said = ["in German", "no SQL", " IN  german ", "none", "", *(f"wish {number}" for number in range(MAX_WISHES))]
    kept: list[tuple[str, ...]] = [()]
    async with stage(openai_settings()) as conducted:
        for wish in said:
            model_server.script(calls("technical-few_shot", standing_wish=wish), says_questions(2))
            turn = await conducted.turn(agent="technical", brief=brief(wishes=kept[-1]))
            kept.append(turn.answer.wishes)
            assert _block(model_server.requests[-1], "settings")["wishes"] == list(kept[-1])

    assert kept[1:4] == [("in German",), ("in German", "no SQL"), ("no SQL", "IN german")]
    assert kept[4] == kept[5] == kept[3]
    assert kept[-1] == tuple(said[-MAX_WISHES:])


async def test_a_wish_is_short_and_reaches_the_agents_of_later_turns(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    wish = _text("always in German ", 900).strip()
    model_server.script(calls("technical-few_shot", standing_wish=wish), says_questions(2), Say("Weil."))
    async with stage(openai_settings()) as conducted:
        first = await conducted.turn(agent="technical")
        await conducted.turn("why?", agent="technical", brief=brief(wishes=first.answer.wishes))

    assert first.answer.wishes == (wish[:WISH_CHARACTERS],)
    assert _state(model_server.requests[-1])["wishes"] == [wish[:WISH_CHARACTERS]]
