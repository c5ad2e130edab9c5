"""When an agent calls a technique: for a first or another set, for further questions, or to change some of them."""

import re

from app.bank.posting import Posting
from app.bank.questions import ExperienceLevel
from app.bank.skills import level_of_posting
from app.providers.offline.answers import last_discussed, no_such_question, signed
from app.providers.offline.conversation import Conversation
from app.providers.offline.decisions import Call, Decision, Say
from app.providers.offline.filtering import extreme, matching
from app.providers.offline.job import Workshop
from app.providers.offline.lasting import standing_wish
from app.providers.offline.likeness import shortened
from app.providers.offline.order import Kind
from app.providers.offline.phrasing import listed
from app.providers.offline.restraint import too_long
from app.providers.offline.wishes import (
    MAX_COUNT,
    Change,
    change_in,
    count_in,
    level_in,
    more_in,
    positions_in,
    steps_in,
    without_likeness,
)

FOCUS_CHARACTERS = 300
MAX_REMARK_CHARACTERS = 200
MORE_WHERE_NONE_IS_NAMED = 5
ROLE_BASED = "role_based"

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
            ROLE_BASED,
            (
                r"role[- _]?(?:based|play\w*)|(?:act|be|play|pretend|like|as)\b.{0,25}\binterviewer|(?:strict"
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
        r"|ask me|posting|job description|focus|same for|what about)\b|\b\d{1,3}[ -]?min"
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
_THE_ONE = re.compile(
    r"\b(?:replac\w*|swap|exchange|change|redo) the (?!other\b)([^.?!,\d]{2,40}?) (?:one|question)\b", re.IGNORECASE
)
_THE_REST = re.compile(
    r"\bkeep\b.*\b(?:replac\w*|swap\w*|change|redo|new)\b.{0,15}\b(?:rest|others?|remaining)\b", re.IGNORECASE
)
_ASK_THESE = re.compile(
    r"\b(?:ask|put|phrase|word|say|rephrase|reword)\b.{0,12}\b(?:these|them|it|this|that|those|(?:the "
    r"|my )?questions?|all)\b"
    r".{0,25}\b(?:like|as|in the voice of)\b",
    re.IGNORECASE,
)


def change_questions(workshop: Workshop, conversation: Conversation) -> Decision | None:
    """Questions added, made harder or easier, reworded or replaced; the others stay untouched."""
    if not conversation.own_size:
        return None
    if text := too_long(conversation):
        return _say(text)
    for decide in (_leave_out, _add, _reword, _step_beyond, _replace):
        if (decision := decide(workshop, conversation)) is not None:
            return decision
    return None


def make_questions(workshop: Workshop, conversation: Conversation) -> Decision | None:
    """A new set: the usual answer of an agent that has none yet, and to any wish for questions."""
    message = conversation.message
    is_remark = _is_remark(message)
    is_wish = (
        not conversation.own_size
        or (_NEW_SET.search(message) is not None and not is_remark)
        or change_in(message) is not None
        or (level_in(message) is not None and not is_remark)
        or count_in(message, conversation.interview_type or "") is not None
        or named_technique(conversation) is not None
        or any(words.search(message) for _, words in _TECHNIQUE_NAMES)
        or standing_wish(workshop, message) != ""
        or (workshop.names_topic(message) and not is_remark)
    )
    return call_technique(workshop, conversation, Kind.NEW) if is_wish else None


def call_technique(
    workshop: Workshop,
    conversation: Conversation,
    kind: Kind,
    positions: tuple[int, ...] = (),
    *,
    count: int | None = None,
    focus: str = "",
) -> Call:
    """The call of the technique that fits: the one named, the interviewer's, else the first."""
    message = conversation.message
    arguments = {
        "focus": (focus or " ".join(message.split()))[:FOCUS_CHARACTERS],
        "change": str(kind),
        "positions": ",".join(map(str, positions)),
    }
    if kind is Kind.NEW:
        count = count or count_in(message, conversation.interview_type or "") or conversation.own_size or None
    level = level_in(message, _known_level(conversation))
    wish = standing_wish(workshop, message)
    arguments |= {"count": str(count)} if count else {}
    arguments |= {"stated_level": str(level)} if level else {}
    arguments |= {"standing_wish": wish} if wish else {}
    return Call(_technique(conversation), arguments)


def named_technique(conversation: Conversation) -> str | None:
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


def _technique(conversation: Conversation) -> str:
    tools = conversation.tools
    in_a_voice = tools.technique(ROLE_BASED) if conversation.has_interviewer else None
    return named_technique(conversation) or in_a_voice or tools.techniques[0]


def _leave_out(workshop: Workshop, conversation: Conversation) -> Decision | None:
    """No SQL, say: what the set holds of it is replaced, and later sets have none."""
    current, message = conversation.own_set, conversation.message
    refused = workshop.refused(message)
    if not refused or current is None or change_in(message) is not None or count_in(message) is not None:
        return None
    found = tuple(
        place
        for place, question in enumerate(current.questions, start=1)
        if any(workshop.is_about(question, topic, current.interview_type) for topic in refused)
    )
    if found:
        return call_technique(workshop, conversation, Kind.REPLACE, found)
    names = listed(list(dict.fromkeys(topic.wording for topic in refused)))
    return _say(
        f"None of the questions is about {names}, so nothing changes. To leave it out of later ones, say it with the "
        f'next wish: "5 new questions, no {names}".'
    )


def _add(workshop: Workshop, conversation: Conversation) -> Decision | None:
    """Further questions beside those that stand."""
    size = conversation.own_size
    message = without_likeness(conversation.message)
    wanted = more_in(message)
    if wanted is None or (positions_in(message, size) and change_in(message) is not None):
        return None
    if size >= MAX_COUNT:
        return _say(f'The set is full: it holds {MAX_COUNT} questions. Say "drop" with a number to make room.')
    count = min(wanted or MORE_WHERE_NONE_IS_NAMED, MAX_COUNT - size)
    return call_technique(workshop, conversation, Kind.ADD, count=count)


def _reword(workshop: Workshop, conversation: Conversation) -> Decision | None:
    """Shorter, or in an interviewer's voice: nothing else about the questions changes."""
    message, size, current = conversation.message, conversation.own_size, conversation.own_set
    technique = conversation.tools.technique(ROLE_BASED)
    is_in_a_voice = _ASK_THESE.search(message) is not None and named_technique(conversation) == technique
    if not is_in_a_voice and change_in(message) is not Change.SHORTER:
        return None
    positions = _positions(conversation) or tuple(range(1, size + 1))
    if positions[-1] > size:
        return _say(no_such_question(size))
    if is_in_a_voice or current is None:
        return call_technique(workshop, conversation, Kind.REWORD, positions)
    texts = {place: str(current.question(place).get("text", "")) for place in positions}
    can_be = tuple(
        place
        for place, text in texts.items()
        if shortened(text, workshop.source(current.interview_type, text)) is not None
    )
    if can_be:
        return call_technique(workshop, conversation, Kind.REWORD, can_be)
    which = f"Question {positions[0]} has" if len(positions) == 1 else f"These {len(positions)} questions have"
    return _say(
        f"{which} no shorter form in the built-in bank, and to word one anew takes a language model, which is not "
        f'connected. Nothing has changed; "replace question {positions[0]}" brings another one.'
    )


def _step_beyond(workshop: Workshop, conversation: Conversation) -> Decision | None:
    """One level below junior, or above lead, there is none: then easier or harder questions of the same level."""
    steps, known = steps_in(conversation.message), _known_level(conversation)
    if not steps or known is None or known.stepped(steps) is not known:
        return None
    focus = f"{'easier' if steps < 0 else 'harder'}: {' '.join(conversation.message.split())}"
    everything = tuple(range(1, conversation.own_size + 1))
    return call_technique(workshop, conversation, Kind.REPLACE, everything, focus=focus)


def _replace(workshop: Workshop, conversation: Conversation) -> Decision | None:
    """Questions harder, easier, on another topic, or simply others."""
    message, size = conversation.message, conversation.own_size
    change = change_in(message)
    if change is None and not workshop.names_topic(message):
        return None
    positions = _positions(conversation) or _described(workshop, conversation)
    if _THE_REST.search(message) and positions:
        positions = tuple(place for place in range(1, size + 1) if place not in positions)
    if not positions and change in {Change.HARDER, Change.EASIER} and count_in(message) is None:
        positions = tuple(range(1, size + 1))
    if not positions:
        return None
    if positions[-1] > size:
        return _say(no_such_question(size))
    return call_technique(workshop, conversation, Kind.REPLACE, positions)


def _described(workshop: Workshop, conversation: Conversation) -> tuple[int, ...]:
    """The question that "replace the SQL one" means by its topic; of several the first."""
    match = _THE_ONE.search(conversation.message)
    return matching(workshop, conversation, match.group(1))[:1] if match else ()


def _positions(conversation: Conversation) -> tuple[int, ...]:
    """The positions that a message names, or the one that "it" stands for; empty where it names none."""
    message, change = conversation.message, change_in(conversation.message)
    named = positions_in(message, conversation.own_size)
    if named or change is None or count_in(message) is not None:
        return named
    if conversation.own_set and (place := extreme(message, conversation.own_set)):
        return (place,)
    one = last_discussed(conversation) if _THAT_ONE.search(message) else None
    return (one,) if one else ()


def _known_level(conversation: Conversation) -> ExperienceLevel | None:
    """The level of the current set, else the conversation's, else the posting's: what "more junior" starts from."""
    current = conversation.own_set
    stated = (current.level if current else None) or conversation.level
    return stated or (level_of_posting(Posting(conversation.posting)) if conversation.posting else None)


def _is_remark(message: str) -> bool:
    """Whether a message asks about what is there and for nothing new: no reason to throw a set away."""
    return (
        len(message) < MAX_REMARK_CHARACTERS and _QUERY.search(message) is not None and _FRESH.search(message) is None
    )


def _say(text: str) -> Say:
    return Say(signed(text))
