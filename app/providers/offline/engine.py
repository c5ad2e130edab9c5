"""What the offline engine does with a call: an agent's decision when tools are offered, a technique's output when not.

Start reading here. An agent decides by a chain of deciders: the first that has something to say, as a model would.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from semantic_kernel.contents import AuthorRole, ChatHistory

from app.providers.offline.answers import explanation, last_discussed, next_in_mock, no_such_question, signed
from app.providers.offline.bank import Level, QuestionBank
from app.providers.offline.composition import compose
from app.providers.offline.conversation import (
    ESTIMATE_TOOL,
    HANDOFF_PLUGIN,
    SPENT_TOOL,
    TRANSFER_PREFIX,
    Conversation,
    read_conversation,
)
from app.providers.offline.job import Workshop
from app.providers.offline.keeping import impossible, meaning, shown, standing, unknown_meaning
from app.providers.offline.manners import ask_for_interview, boundary, is_greeting, pleasantry, wants_preparation
from app.providers.offline.order import read_order
from app.providers.offline.posting import Posting
from app.providers.offline.routing import best_type, has_match, named_types
from app.providers.offline.skills import field_of_title, level_of_posting
from app.providers.offline.wishes import Change, change_in, count_in, level_in, number_in, positions_in

FOCUS_CHARACTERS = 300
MAX_REMARK_CHARACTERS = 200
DEFAULT_ESTIMATE, MAX_ESTIMATE = 5, 20


@dataclass(frozen=True)
class Say:
    """Text for the candidate, or a technique's output."""

    text: str


@dataclass(frozen=True)
class Call:
    """One tool call, with no text beside it."""

    name: str
    arguments: dict[str, str] = field(default_factory=dict)


Decision = Say | Call
Decider = Callable[[Conversation], Decision | None]

_ESTIMATE = re.compile(
    (
        r"\b(?:what|how much)\b.{0,20}\b(?:would|will|do|does|for)\b.{0,30}\b(?:cost|\d+"
        r"|questions?|more)\b.*|\bcosts? of (?:\d+|\w+ more|another)"
        r"|\bprice of \d+|\bestimate\b.{0,30}\b(?:cost|price|\d+ questions)"
    ),
    re.IGNORECASE,
)
_MONEY = re.compile(r"\b(?:costs?|price|spend|spent|pay|charged?|cents?|dollars?|usd|how much)\b", re.IGNORECASE)
_SPENT = re.compile(
    (
        r"\b(?:i|we|you|been|have) spen[dt]\b|\bspent so far\b|\bmy (?:spending|costs?|usage"
        r"|bill)\b|\bcosts? (?:me )?so far\b"
        r"|\b(?:did|has|does|is) (?:this|that|it|all this|the conversation|the "
        r"chat).{0,20}\bcosts?\b|^\W*(?:the )?(?:costs?|spending|usage)\W*$"
        r"|\bwhat (?:did|does|has) (?:this|that|it) costs?\b|\bhow (?:much|many "
        r"tokens)\b.{0,25}\b(?:spent|spend|cost|used|tokens)\b"
    ),
    re.IGNORECASE,
)
_TECHNIQUE_NAMES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(rf"\b(?:{words})\b", re.IGNORECASE))
    for name, words in (
        ("few_shot", r"few[- _]?shot|(?:worked )?examples? technique"),
        (
            "chain_of_thought",
            r"chain[- _]of[- _]thought|cot|step[- ]by[- ]step (?:plan|technique|coverage)|coverage plan",
        ),
        ("zero_shot", r"zero[- _]?shot"),
        (
            "role_based",
            (
                r"role[- _]?(?:based|play\w*)|(?:act|be|play|pretend)\b.{0,25}\binterviewer|(?:strict"
                r"|tough|friendly|sceptical|skeptical)"
                r" interviewer|persona|mock (?:interview|panel)"
            ),
        ),
        ("structured_output", r"structured[- _]?output|structured technique"),
    )
)
_NEW_SET = re.compile(
    (
        r"\b(?:questions?|fragen|more|new|again|fresh|start over|generate|another (?:set|round|batch)"
        r"|only .{0,30}ones?|practi[cs]e|prepar\w*|interview|give me"
        r"|ask me|posting|job description|focus)\b|\b\d{1,2} min"
    ),
    re.IGNORECASE,
)
_QUERY = re.compile(
    r"^\W*(?:and |but |so |ok |okay )?(?:what|which|why|how|when|where|who|is|are|was|were|do|does|did|have|has|am)\b",
    re.IGNORECASE,
)
_FRESH = re.compile(
    r"\b(?:new|more|fresh|(?:what|how) about|another|give me|generate|other|different|make|start over|practi[cs]e"
    r"|prepar\w*)\b",
    re.IGNORECASE,
)
_THAT_ONE = re.compile(r"\b(?:it|that|this)(?: one| question)?\b", re.IGNORECASE)
HELP = (
    "I did not understand that. Without a language model I understand sentences such as: "
    "make question 3 harder; swap 2 for SQL; 8 questions; show me the questions; "
    "why would they ask that; a hint for 4; switch to behavioral; what have I spent."
)


class Engine:
    """Deterministic: the same call gives the same decision. Holds the bank, and no state of any conversation."""

    def __init__(self, bank: QuestionBank) -> None:
        self._workshop = Workshop(bank)
        self._specialist: tuple[Decider, ...] = (
            _mind_boundaries,
            _saying(meaning),
            _hand_sideways,
            _look_up_costs,
            _saying(shown),
            _saying(impossible),
            _be_polite,
            self._come_back,
            _explain,
            self._change_questions,
            _saying(unknown_meaning),
            self._make_questions,
        )

    def decide(self, history: ChatHistory, tools: Sequence[dict[str, Any]] | None) -> Decision:
        """The answer to one call."""
        if not tools:
            rendered = next((m.content for m in reversed(history.messages) if m.role == AuthorRole.USER), "")
            return Say(compose(self._workshop, read_order(rendered)))
        conversation = read_conversation(history, tools)
        if conversation.tool_result is not None:
            name, answer = conversation.tool_result
            if name in conversation.tools.techniques:
                return Say(signed(no_such_question(conversation.own_size)))
            if not name.startswith(HANDOFF_PLUGIN):
                return Say(signed(answer))
        if conversation.interview_type is None:
            return _triage(conversation)
        decisions = (decide(conversation) for decide in self._specialist)
        return next((decision for decision in decisions if decision is not None), Say(signed(HELP)))

    def _change_questions(self, conversation: Conversation) -> Decision | None:
        """Existing questions harder, easier, shorter or replaced; the others stay untouched."""
        size = conversation.own_size
        change = change_in(conversation.message)
        if not size or (change is None and not self._names_topic(conversation.message)):
            return None
        positions = positions_in(conversation.message, size)
        if not positions and change not in {None, Change.REPLACE} and count_in(conversation.message) is None:
            one = last_discussed(conversation) if _THAT_ONE.search(conversation.message) else None
            positions = (one,) if one else tuple(range(1, size + 1))
        if not positions and change is Change.REPLACE and _THAT_ONE.search(conversation.message):
            one = last_discussed(conversation)
            positions = (one,) if one else ()
        if not positions:
            return None
        if positions[-1] > size:
            return Say(signed(no_such_question(size)))
        return self._call_technique(conversation, positions)

    def _come_back(self, conversation: Conversation) -> Decision | None:
        """Back in a type whose set is still there: it stands, unless the message asks for more than that."""
        text = None if self._names_topic(conversation.message) else standing(conversation)
        return Say(signed(text)) if text and change_in(conversation.message) in {None, Change.REPLACE} else None

    def _make_questions(self, conversation: Conversation) -> Decision | None:
        """A new set: the usual answer of an agent that has none yet, and to any wish for questions."""
        message = conversation.message
        is_remark = _is_remark(message)
        is_wish = (
            not conversation.own_size
            or (_NEW_SET.search(message) is not None and not is_remark)
            or change_in(message) is not None
            or (level_in(message) is not None and not is_remark)
            or count_in(message, conversation.interview_type or "") is not None
            or any(words.search(message) for _, words in _TECHNIQUE_NAMES)
            or _named_technique(conversation) is not None
            or (self._names_topic(message) and not is_remark)
        )
        return self._call_technique(conversation, ()) if is_wish else None

    def _call_technique(self, conversation: Conversation, positions: tuple[int, ...]) -> Call:
        message = conversation.message
        arguments = {
            "focus": " ".join(message.split())[:FOCUS_CHARACTERS],
            "replace_positions": ",".join(map(str, positions)),
        }
        count = None if positions else count_in(message, conversation.interview_type or "")
        level = level_in(message, _known_level(conversation))
        if count is None and not positions and conversation.own_size:
            count = conversation.own_size
        if count is not None:
            arguments["count"] = str(count)
        if level is not None:
            arguments["stated_level"] = str(level)
        return Call(_named_technique(conversation) or conversation.tools.techniques[0], arguments)

    def _names_topic(self, message: str) -> bool:
        return self._workshop.names_topic(message)


def _known_level(conversation: Conversation) -> Level | None:
    """The level of the current set, else the conversation's, else the posting's: what "more junior" starts from."""
    current = conversation.own_set
    stated = (current.level if current else None) or conversation.level
    return stated or (level_of_posting(Posting(conversation.posting)) if conversation.posting else None)


def _saying(reply: Callable[[Conversation], str | None]) -> Decider:
    """A decider that answers with text or has nothing to say."""

    def decide(conversation: Conversation) -> Decision | None:
        text = reply(conversation)
        return Say(signed(text)) if text else None

    return decide


def _is_remark(message: str) -> bool:
    """Whether a message asks about what is there and for nothing new: no reason to throw a set away."""
    return (
        len(message) < MAX_REMARK_CHARACTERS and _QUERY.search(message) is not None and _FRESH.search(message) is None
    )


def _triage(conversation: Conversation) -> Decision:
    targets, message = conversation.tools.transfers, conversation.message
    if (decision := _mind_boundaries(conversation) or _saying(meaning)(conversation)) is not None:
        return decision
    has_wish = (
        bool(conversation.posting)
        or wants_preparation(message)
        or has_match(message, targets)
        or field_of_title(message) is not None
        or level_in(message) is not None
    )
    is_idle = (is_greeting(message) and not conversation.posting) or not has_wish
    if is_idle or not targets or conversation.tool_result is not None:
        return Say(signed(pleasantry(message) or ask_for_interview(list(targets))))
    return Call(TRANSFER_PREFIX + best_type(message, conversation.posting, targets))


def _mind_boundaries(conversation: Conversation) -> Decision | None:
    reply = boundary(conversation.message)
    return Say(signed(reply)) if reply else None


def _hand_sideways(conversation: Conversation) -> Decision | None:
    """Another type asked for by name. Not at the opening, where the request chose this agent, and never twice."""
    own = conversation.interview_type or ""
    if conversation.was_handed_over or conversation.is_opening or conversation.tool_result is not None:
        return None
    named = named_types(conversation.message, [own, *conversation.tools.transfers])
    if not named or own in named:
        return None
    return Call(TRANSFER_PREFIX + named[0])


def _look_up_costs(conversation: Conversation) -> Decision | None:
    message = conversation.message
    if ESTIMATE_TOOL in conversation.tools.others and _ESTIMATE.search(message) and _MONEY.search(message):
        count = number_in(message)
        if count is not None or not _SPENT.search(message):
            return Call(ESTIMATE_TOOL, {"question_count": str(min(max(count or DEFAULT_ESTIMATE, 1), MAX_ESTIMATE))})
    if SPENT_TOOL in conversation.tools.others and _SPENT.search(message):
        return Call(SPENT_TOOL)
    return None


def _be_polite(conversation: Conversation) -> Decision | None:
    message = conversation.message
    reply = None if _wants_change(conversation) else pleasantry(message)
    if reply is None and conversation.own_size and is_greeting(message):
        reply = "Hello again. Which question shall we work on, or what shall I change?"
    return Say(signed(reply)) if reply else None


def _explain(conversation: Conversation) -> Decision | None:
    if not conversation.own_size or (conversation.own_set is not None and _named_technique(conversation)):
        return None
    text = explanation(conversation)
    if text is None and not _wants_change(conversation):
        text = next_in_mock(conversation)
    return Say(signed(text)) if text else None


def _wants_change(conversation: Conversation) -> bool:
    message = conversation.message
    return len(message) < 200 and (
        change_in(message) is not None or count_in(message) is not None or level_in(message) is not None
    )


def _named_technique(conversation: Conversation) -> str | None:
    """The technique that the message names, if it is offered; by its usual names or by the name of its folder."""
    tools, message = conversation.tools, conversation.message
    for name, words in _TECHNIQUE_NAMES:
        if words.search(message) and (full := tools.technique(name)):
            return full
    plain = re.sub(r"[-_ ]+", " ", message.lower())
    return next(
        (
            full
            for full in tools.techniques
            if re.search(rf"\b{full.partition('-')[2].replace('_', ' ')} technique\b", plain)
        ),
        None,
    )


def arguments_json(call: Call) -> str:
    """The call's arguments as a provider sends them."""
    return json.dumps(call.arguments, ensure_ascii=False)
