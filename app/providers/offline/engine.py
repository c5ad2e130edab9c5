"""What the offline engine does with a call: an agent's decision when tools are offered, a technique's output when not.

Start reading here. An agent decides by a chain of deciders: the first that has something to say, as a model would.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from semantic_kernel.contents import AuthorRole, ChatHistory

from app.bank.questions import QuestionBank
from app.bank.skills import field_of_title
from app.providers.offline.answers import explanation, next_in_mock, no_such_question, signed
from app.providers.offline.changing import call_technique, change_questions, make_questions, named_technique
from app.providers.offline.composition import compose, nothing_to_mend
from app.providers.offline.conversation import (
    EDITING_TOOLS,
    ESTIMATE_TOOL,
    HANDOFF_PLUGIN,
    RESTORE_TOOL,
    SPENT_TOOL,
    TRANSFER_PREFIX,
    Conversation,
    read_conversation,
)
from app.providers.offline.counsel import counsel
from app.providers.offline.decisions import Call, Decision, Say
from app.providers.offline.editing import edit
from app.providers.offline.job import Workshop
from app.providers.offline.keeping import impossible, meaning, shown, standing, unknown_meaning
from app.providers.offline.manners import (
    IN_A_CRISIS,
    ask_for_interview,
    boundary,
    is_crisis,
    is_greeting,
    pleasantry,
    wants_preparation,
)
from app.providers.offline.mixed import open_part, wants_the_rest
from app.providers.offline.order import Kind, is_repair, read_order
from app.providers.offline.ordering import order_in
from app.providers.offline.plainly import plainly
from app.providers.offline.restraint import meant, no_edit, refusal, several
from app.providers.offline.routing import best_type, has_match, named_types
from app.providers.offline.wishes import Change, change_in, count_in, level_in, number_in

DEFAULT_ESTIMATE, MAX_ESTIMATE = 5, 20

Decider = Callable[[Conversation], Decision | None]

_ESTIMATE = re.compile(
    (
        r"\b(?:what|how much)\b.{0,20}\b(?:would|will|do|does|for)\b.{0,30}\b(?:cost|\d+"
        r"|questions?|more)\b.*|\bcosts? of (?:\d+|\w+ more|another)"
        r"|\bprice of \d+|\bestimate\b.{0,30}\b(?:cost|price|\d+ questions)"
    ),
    re.IGNORECASE,
)
_MODEL = re.compile(r"\b(?:with|on|using|by|from|for|in)\s+([a-z][\w./:-]*\d(?:[\w./:-]*\w)?)", re.IGNORECASE)
"""A model's name has a figure in it, as gpt-4o, o3 and llama3.2 do."""
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
            _mind_words_of_crisis,
            self._asking_the_bank(counsel),
            _mind_boundaries,
            _saying(meaning),
            _saying(refusal),
            self._go_on,
            _hand_sideways,
            _look_up_costs,
            _saying(no_edit),
            _saying(shown),
            _saying(impossible),
            _saying(several),
            partial(edit, self._workshop),
            _be_polite,
            self._come_back,
            _explain,
            partial(change_questions, self._workshop),
            _saying(unknown_meaning),
            partial(make_questions, self._workshop),
        )

    def decide(self, history: ChatHistory, tools: Sequence[dict[str, Any]] | None) -> Decision:
        """The answer to one call."""
        if not tools:
            return Say(self._technique_output(history))
        conversation = plainly(meant(read_conversation(history, tools)))
        if conversation.tool_result is not None:
            name, answer = conversation.tool_result
            if name == RESTORE_TOOL:
                return Say(signed("That version is not there any more, so nothing has changed."))
            if name in conversation.tools.techniques or name in EDITING_TOOLS:
                return Say(signed(no_such_question(conversation.own_size)))
            if not name.startswith(HANDOFF_PLUGIN):
                return Say(signed(answer))
        if conversation.interview_type is None:
            return _triage(conversation)
        decisions = (decide(conversation) for decide in self._specialist)
        return next((decision for decision in decisions if decision is not None), Say(signed(HELP)))

    def _technique_output(self, history: ChatHistory) -> str:
        rendered = next((m.content for m in reversed(history.messages) if m.role == AuthorRole.USER), "")
        rules = "\n".join(m.content for m in history.messages if m.role == AuthorRole.SYSTEM)
        return nothing_to_mend() if is_repair(rendered) else compose(self._workshop, read_order(rendered, rules))

    def _asking_the_bank(self, reply: Callable[[Workshop, Conversation], str | None]) -> Decider:
        return _saying(partial(reply, self._workshop))

    def _go_on(self, conversation: Conversation) -> Decision | None:
        """The next part of a wish for several types."""
        part = open_part(conversation) if wants_the_rest(conversation.message) else None
        if part is None:
            return None
        if part.interview_type == conversation.interview_type:
            return call_technique(self._workshop, conversation, Kind.NEW, count=part.count)
        return None if conversation.was_handed_over else Call(TRANSFER_PREFIX + part.interview_type)

    def _come_back(self, conversation: Conversation) -> Decision | None:
        """Back in a type whose set is still there: it stands, unless the message asks for more than that."""
        text = None if self._workshop.names_topic(conversation.message) else standing(conversation)
        return Say(signed(text)) if text and change_in(conversation.message) in {None, Change.REPLACE} else None


def _saying(reply: Callable[[Conversation], str | None]) -> Decider:
    """A decider that answers with text or has nothing to say."""

    def decide(conversation: Conversation) -> Decision | None:
        text = reply(conversation)
        return Say(signed(text)) if text else None

    return decide


def _triage(conversation: Conversation) -> Decision:
    targets, message = conversation.tools.transfers, conversation.message
    if is_crisis(message):
        return Say(signed(IN_A_CRISIS))
    if (decision := _mind_boundaries(conversation) or _saying(meaning)(conversation)) is not None:
        return decision
    has_wish = (
        bool(conversation.posting)
        or wants_preparation(message)
        or has_match(message, targets)
        or field_of_title(message) is not None
        or level_in(message) is not None
        # The specialists have the functions that know.
        or _asks_for_estimate(message)
        or _SPENT.search(message) is not None
    )
    is_idle = (is_greeting(message) and not conversation.posting) or not has_wish
    if is_idle or not targets or conversation.tool_result is not None:
        return Say(signed(pleasantry(message) or ask_for_interview(list(targets))))
    return Call(TRANSFER_PREFIX + best_type(message, conversation.posting, targets))


def _mind_words_of_crisis(conversation: Conversation) -> Decision | None:
    """Before everything else."""
    return Say(signed(IN_A_CRISIS)) if is_crisis(conversation.message) else None


def _mind_boundaries(conversation: Conversation) -> Decision | None:
    reply = boundary(conversation.message)
    return Say(signed(reply)) if reply else None


def _hand_sideways(conversation: Conversation) -> Decision | None:
    """Another type asked for by name. Not at the opening, where the request chose this agent, and never twice."""
    own = conversation.interview_type or ""
    if conversation.was_handed_over or conversation.is_opening or conversation.tool_result is not None:
        return None
    if conversation.own_size and order_in(conversation.message, conversation.own_size, conversation.own_set):
        return None
    named = named_types(conversation.message, [own, *conversation.tools.transfers])
    if not named or own in named:
        return None
    return Call(TRANSFER_PREFIX + named[0])


def _asks_for_estimate(message: str) -> bool:
    return _ESTIMATE.search(message) is not None and _MONEY.search(message) is not None


def _look_up_costs(conversation: Conversation) -> Decision | None:
    message = conversation.message
    if ESTIMATE_TOOL in conversation.tools.others and _asks_for_estimate(message):
        model = _MODEL.search(message)
        # The figures of a model's name are no count.
        count = number_in(_MODEL.sub(" ", message))
        if count is not None or model or not _SPENT.search(message):
            asked = {"question_count": str(min(max(count or DEFAULT_ESTIMATE, 1), MAX_ESTIMATE))}
            return Call(ESTIMATE_TOOL, asked | ({"model": model.group(1)} if model else {}))
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
    if not conversation.own_size or (conversation.own_set is not None and named_technique(conversation)):
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


def arguments_json(call: Call) -> str:
    """The call's arguments as a provider sends them."""
    return json.dumps(call.arguments, ensure_ascii=False)
