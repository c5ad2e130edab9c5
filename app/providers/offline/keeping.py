"""Messages about a set that stands: to see it again, and what cannot be done to it. Nothing here changes a set."""

import re

from app.bank.posting import Posting
from app.providers.offline.answers import criteria, last_discussed, no_such_question
from app.providers.offline.conversation import Conversation
from app.providers.offline.routing import named_types
from app.providers.offline.wishes import (
    MAX_COUNT,
    change_in,
    changes_in,
    count_asked,
    is_position_zero,
    level_in,
    names_question,
    positions_in,
)

SHORT_MESSAGE_CHARACTERS = 200
POSTING_LINES = 4
MAX_BARE_WORDS = 3
SEE_THE_SET = 'Say "show me the questions" to see them, or name one to change, such as "make question 2 harder".'

_SHOW = r"(?:show|list|display|repeat|print|read|see|view|remind|zeig\w*|wiederhol\w*)"
_SHOW_SET = re.compile(
    rf"\b{_SHOW}\b.{{0,20}}\b(?:questions|set|list|them|all|everything|fragen)\b"
    r"|\b(?:give|tell|what|which|where)\b.{0,20}\b(?:the|my|our|these|those)\b.{0,15}\b(?:questions|set)\b.{0,10}\bagain\b"
    r"|\b(?:what|which|where) (?:were|was|are|is) (?:the|my|our) (?:current )?(?:questions|set)\b"
    r"|\bwhich questions do i have\b|^\W*(?:the )?(?:questions|set|list)(?: again)?(?: please)?\W*$"
    r"|\bnoch (?:ein)?mal (?:an)?zeigen\b|\b(?:list|show) (?:the )?questions\b",
    re.IGNORECASE,
)
_SHOW_ONE = re.compile(
    rf"\b{_SHOW}\b|\b(?:what|which) (?:was|is) (?:(?:question|q|number|no\.?|#)\s*\d|the \w+ question\b)"
    r"|^\W*(?:and |now |ok |okay )?(?:question|frage|number|no\.?|q|#)\s*#?\d{1,3}(?: again)?(?: please| bitte)?\W*$",
    re.IGNORECASE,
)
_SHOW_AGAIN = re.compile(rf"\b{_SHOW}\b.{{0,12}}\b(?:it|that|this)\b.{{0,12}}\bagain\b", re.IGNORECASE)
_OTHERS = re.compile(
    r"\b(?:new|more|another|other|others|different|extra|additional|fresh|neue|weitere|hints?|answers?|outlines?"
    r"|criteria|follow[- ]?ups?|only|without)\b",
    re.IGNORECASE,
)
_POSTING_NOUN = r"(?:job description|job ad|job posting|job|role|position|posting|vacancy)"
_SHOW_POSTING = re.compile(
    rf"\bwhat(?:'s|\u2019s| is| was| were)? (?:the|my|this|that) {_POSTING_NOUN}(?: again| called| about)?\W*$"
    rf"|\bwh(?:at|ich) {_POSTING_NOUN} (?:is|was) (?:it|this|that|i)\b.{{0,15}}$"
    rf"|\b{_SHOW}\b(?: me)?(?: of)? (?:the|my) {_POSTING_NOUN}(?: again)?(?: please)?\W*$"
    r"|\bwhat does the (?:posting|job description|job ad) say\W*$",
    re.IGNORECASE,
)

_SWAP_VERB, _SHAPE_VERB = r"(?:replace|swap|exchange|drop|remove)", r"(?:make|turn)"
_THEN = r"(?:\band\b|,|;|\bthen\b|\bbut\b)\s*(?:then\s+)?(?:please\s+)?"
_TWO_VERBS = re.compile(
    rf"\b{_SWAP_VERB}\b.*{_THEN}{_SHAPE_VERB}\b|\b{_SHAPE_VERB}\b.*{_THEN}{_SWAP_VERB}\b", re.IGNORECASE
)
_RETURN = re.compile(r"\b(?:back to|return to|continue with|switch to|zur\u00fcck zu\w*)\b", re.IGNORECASE)
_AFRESH = re.compile(
    r"\b(?:new|fresh|more|another|start over|generate|replace|again from scratch|neue|weitere)\b", re.IGNORECASE
)

_TERMS: tuple[tuple[str, str], ...] = (
    (
        r"star",
        (
            "STAR is an order for a story from your past work: the Situation in one sentence, the Task that was "
            "yours, the Actions you took (the longest part, said with \u201cI\u201d), and the Result, "
            "with a number if there is one."
        ),
    ),
    (
        r"mece",
        (
            "MECE means that the parts of a structure do not overlap and together leave nothing out. It is how a case "
            "answer is split before the numbers come."
        ),
    ),
    (
        r"case (?:stud(?:y|ies)|interviews?)",
        (
            "In a case interview you work through a business problem aloud: clarify the goal, split the problem, "
            "compute, and recommend."
        ),
    ),
    (
        r"behaviou?ral (?:interviews?|questions?)",
        "Behavioral questions ask what you did in the past, because it tells most about what you will do next.",
    ),
    (
        r"reverse (?:interviews?|questions?)",
        "The reverse part of an interview is yours: the questions that you ask the employer.",
    ),
    (r"few[- _]?shot", "Few-shot gives the model worked examples to follow. It is one way of making questions here."),
    (r"zero[- _]?shot", "Zero-shot asks the model without examples. It is the fastest way of making questions here."),
    (
        r"chain[- _]of[- _]thought",
        "Chain of thought plans first which requirement each question covers, and then writes the questions.",
    ),
    (r"role[- _]based", "Role-based questions are asked in the voice of a certain interviewer."),
    (r"structured[- _]output", "Structured output fixes the form of the answer first and spreads the difficulty."),
    (
        r"(?:the )?level signals?",
        "The level signal of a question is what tells a senior answer from a junior one.",
    ),
)
_ASKS_TERM = (
    r"(?:explain|define|what(?:'s|\u2019s| is| are| does)|tell me (?:about|what)|was (?:ist|bedeutet|hei\u00dft))"
)
_COMPILED_TERMS = tuple(
    (
        re.compile(
            rf"^\W*(?:(?:please|and|but|so|ok(?:ay)?|can you|could you)\W+)*{_ASKS_TERM} (?:the |an? )?"
            rf"[\"'\u201c]?{term}[\"'\u201d]?(?: (?:is|method|technique|format|interviews?|framework|mean\w*"
            r"|stands? for|again|to me|please))*\W*$",
            re.IGNORECASE,
        ),
        text,
    )
    for term, text in _TERMS
)
_ASKS_ANY_TERM = re.compile(
    r"\bwhat (?:does|do|is meant by) .{1,60}\bmeans?\b|\bwhat is meant by\b"
    r"|^\W*(?:please |can you |could you )*(?:explain|define)\b",
    re.IGNORECASE,
)


def meaning(conversation: Conversation) -> str | None:
    """What a word of the practice means; None where the message asks for none that is known here."""
    return next((text for words, text in _COMPILED_TERMS if words.search(conversation.message)), None)


def unknown_meaning(conversation: Conversation) -> str | None:
    """For a word that is not known here, or a question of the set that is to be explained."""
    message = conversation.message
    is_other_wish = change_in(message) is not None or count_asked(message) is not None
    if not conversation.own_size or is_other_wish or len(message) > SHORT_MESSAGE_CHARACTERS:
        return None
    if names_question(message):
        return criteria(conversation, positions_in(message, conversation.own_size))
    if not _ASKS_ANY_TERM.search(message):
        return None
    return (
        "To explain that takes a language model, and none is connected. I can say what a question is after: "
        'say "what are they looking for in question 2", or "hint for question 2".'
    )


def shown(conversation: Conversation) -> str | None:
    """The posting, the set or some of its questions, as they stand; None where nobody asked to see them."""
    message = conversation.message
    if len(message) > SHORT_MESSAGE_CHARACTERS:
        return None
    if _SHOW_POSTING.search(message):
        return _posting(conversation)
    size = conversation.own_size
    if not size or _OTHERS.search(message) or change_in(message) is not None or level_in(message) is not None:
        return None
    positions = _positions_to_show(conversation)
    return None if positions is None else _listed(conversation, positions)


def _positions_to_show(conversation: Conversation) -> tuple[int, ...] | None:
    """Empty for a position that does not exist; None where the message asks to see none."""
    message, size = conversation.message, conversation.own_size
    if _SHOW_ONE.search(message):
        named = positions_in(message, size)
        if named or is_position_zero(message):
            return named
    is_again = _SHOW_AGAIN.search(message) is not None
    if is_again and (position := last_discussed(conversation)):
        return (position,)
    return tuple(range(1, size + 1)) if is_again or _SHOW_SET.search(message) else None


def impossible(conversation: Conversation) -> str | None:
    """Why a wish cannot be met, and what to say instead; None where it can. The set stays as it is."""
    message, size = conversation.message, conversation.own_size
    if len(message) > SHORT_MESSAGE_CHARACTERS:
        return None
    count = count_asked(message)
    if count is not None and not 1 <= count <= MAX_COUNT:
        return f'A set has 1 to {MAX_COUNT} questions. Say for example "give me 5 questions".'
    if not size:
        return None
    if is_position_zero(message):
        return no_such_question(size)
    if len(changes_in(message)) > 1 or _TWO_VERBS.search(message):
        return 'One change at a time, please: say for example "make question 1 easier", and then the next one.'
    return None


def standing(conversation: Conversation) -> str | None:
    """For who comes back to a type whose set is still there, and asks for nothing else."""
    message, own, size = conversation.message, conversation.interview_type or "", conversation.own_size
    is_back = (
        conversation.was_handed_over or _RETURN.search(message) is not None or len(message.split()) <= MAX_BARE_WORDS
    )
    if not size or not is_back or own not in named_types(message, [own]):
        return None
    wants_other = (
        _AFRESH.search(message) is not None
        or count_asked(message) is not None
        or level_in(message) is not None
        or positions_in(message, size) != ()
    )
    if wants_other:
        return None
    if conversation.own_set is not None:
        return _listed(conversation, tuple(range(1, size + 1)))
    return f"{_still(conversation)} {SEE_THE_SET} \u201cGive me {size} new questions\u201d makes a new set."


def _listed(conversation: Conversation, positions: tuple[int, ...]) -> str:
    """The questions at these positions, word for word."""
    size, current = conversation.own_size, conversation.own_set
    if not positions or positions[-1] > size:
        return no_such_question(size)
    if current is None:
        return f"{_still(conversation)} {SEE_THE_SET}"
    if len(positions) == 1:
        return f"**Question {positions[0]}**: {current.question(positions[0])['text']}"
    texts = "\n\n".join(f"**{position}.** {current.question(position)['text']}" for position in positions)
    heading = f"{_still(conversation)}\n\n" if len(positions) == size else ""
    return heading + texts


def _still(conversation: Conversation) -> str:
    kind, size = (conversation.interview_type or "").replace("_", " "), conversation.own_size
    return f"Your {kind} set still stands with {size} question{'' if size == 1 else 's'}."


def _posting(conversation: Conversation) -> str:
    lines = Posting(conversation.posting).lines[:POSTING_LINES]
    if not lines:
        return "There is no job description in this conversation: none given. Paste one whenever you like."
    quoted = "\n".join(f"> {line.text[:160]}  " for line in lines)
    return f"This is how the job description begins:\n\n{quoted}"
