"""Edits of a set that need no new question: to take some out, keep some, put them in order, bring a version back.

The engine chooses the positions and writes the sentence that the candidate reads; code carries the edit out.
"""

import re

from app.bank.posting import REQUIREMENT_WEIGHT, Posting
from app.providers.offline.answers import no_such_question, signed
from app.providers.offline.conversation import DROP_TOOL, KEEP_TOOL, RESTORE_TOOL, Conversation, CurrentSet
from app.providers.offline.decisions import Call, Decision, Say
from app.providers.offline.filtering import extreme, matching, minutes_of
from app.providers.offline.job import Workshop
from app.providers.offline.lasting import is_lasting_limit
from app.providers.offline.ordering import NUMBER, POLITELY, order_in
from app.providers.offline.phrasing import counted, listed, numbered
from app.providers.offline.undoing import REDO, again, before, kind_of
from app.providers.offline.wishes import count_asked, minutes_in, number_in, positions_in, positions_said

MAX_EDIT_CHARACTERS = 200
HARDLY_ANY_MINUTES = 1
_UNDO = 'Say "undo" to have it as before.'

REMOVE = re.compile(
    r"\b(?:remove|delete|drop|get rid of|take out|leave out|throw out|cut out|discard|lose|entfern\w*|l\u00f6sch\w*"
    r"|streich\w*)\b|\bcut (?=(?:questions? |q|#|number )?\d)",
    re.IGNORECASE,
)
IN_ITS_PLACE = re.compile(
    r"\b(?:replac\w*|swap\w*|instead|another|different|new|exchange|for an?\b|for (?!me\b|now\b|us\b))", re.IGNORECASE
)
_KEEP = re.compile(r"\b(?:keep|behalt\w*)\b", re.IGNORECASE)
_ONLY_POSITIONS = re.compile(
    rf"{POLITELY}(?:i (?:only )?(?:want|need) )?(?:only|just|nothing but) (?:questions? |q|#|number "
    rf"|the )[\w\s,&#]+\W*$"
    rf"|{POLITELY}(?:only|just) \d{{1,2}}(?:\s*(?:,|and|&)\s*\d{{1,2}})+\W*$",
    re.IGNORECASE,
)
_ONLY_WHAT = re.compile(
    r"\b(?:only|just|keep|nothing but)\b(?: (?:the|those|me|want|give|show|practi[cs]e|do|keep|need|with|have|see))*"
    r"\s+(?P<kind>[^.?!,]{2,40}?)\s+(?:ones?|questions?|fragen)\b\W*(?:please\W*)?$"
    r"|\b(?:only|just|keep)\b[^.?!,]{0,20}\b(?:ones|questions|those)\s+(?:about|on|with|for|that are|from"
    r"|in)\s+(?P<topic>[^.?!]{2,40})"
    r"|\b(?:filter|narrow)\w*(?: (?:it|them|down))*\s+(?:by|for|to|on)\s+(?P<filter>[^.?!]{2,40})",
    re.IGNORECASE,
)
_FEWER = re.compile(
    rf"\b(?:cut|reduce|trim|narrow|shrink|bring)\b[^.?!]{{0,25}}\bto (?:the (?:best|top) )?{NUMBER}\b"
    rf"|\b(?:only|just) (?:want |need |keep )?{NUMBER}(?: of (?:them|these|those)| questions?)?\W*$"
    rf"|\b(?:the )?most important {NUMBER}\b",
    re.IGNORECASE,
)
_SOME_FEWER = re.compile(r"\b(?:fewer|less) questions\b|\btoo many(?: questions)?\b", re.IGNORECASE)

_EARLIER = re.compile(
    r"\bundo\b|\brevert\b|\b(?:the )?(?:version|set|questions?|ones|list) (?:from )?before\b|\bas (?:it was|before)\b"
    r"|\b(?:go|take (?:me|it)|switch|change|put it|get)? ?back to (?:the |my |our )?(?:previous|last|old|earlier)\b"
    r"|\bback to how it was\b|\b(?:restore|bring back)\b|\bprevious (?:version|set|questions?)\b"
    r"|\btake (?:that|it) back\b",
    re.IGNORECASE,
)
_FIRST_VERSION = re.compile(
    r"\b(?:first|original|initial)\s+(?:version|set|questions|list|draft|ones?)\b(?=.*)"
    r"|\bback to the (?:original|first|start|beginning)\b",
    re.IGNORECASE,
)
_WANTS_BACK = re.compile(
    r"\b(?:back|return|restore|undo|revert|again|better|bring|give|show|use|take|want)\b"
    r"|^\W*(?:the )?(?:first|original)",
    re.IGNORECASE,
)
_NUMBERED_VERSION = re.compile(
    r"(?:^\W*(?:(?:please|ok(?:ay)?|and|now|the|bitte)\W+)*"
    r"|\b(?:to|restore|back|use|take|show|give me|want|undo|revert)\s+(?:me\s+)?"
    r"(?:to\s+)?(?:the\s+)?)(?:version|revision|rev\.?)\s*#?(\d{1,9})(?=\W*(?:please|again|back|bitte|now|\W)*$)",
    re.IGNORECASE,
)


def edit(workshop: Workshop, conversation: Conversation) -> Decision | None:
    """The edit that a message asks for, a sentence on why it cannot be made, or None where it asks for none."""
    if not conversation.own_size or len(conversation.message) > MAX_EDIT_CHARACTERS:
        return None
    deciders = (restore, reorder, fit_time, keep, drop)
    return next((found for decide in deciders if (found := decide(workshop, conversation)) is not None), None)


def restore(_workshop: Workshop, conversation: Conversation) -> Decision | None:
    """An earlier version of the set."""
    message, current = conversation.message, conversation.own_set
    numbered_version = _NUMBERED_VERSION.search(message)
    is_first = _FIRST_VERSION.search(message) is not None and _WANTS_BACK.search(message) is not None
    is_redo = REDO.search(message) is not None
    is_wish = numbered_version or is_first or is_redo or _EARLIER.search(message)
    if RESTORE_TOOL not in conversation.tools.others or not is_wish:
        return None
    if current is None:
        return _say("We are only just back at this set. Say it once more, and I bring the earlier version back.")
    if current.revision <= 1 and not is_redo:
        return _say("There is nothing to undo: this is the first version of the set.")
    if numbered_version or is_first:
        return _brought_back(conversation, current.revision, int(numbered_version.group(1)) if numbered_version else 1)
    return _one_step(conversation, current.revision, is_redo=is_redo)


def _one_step(conversation: Conversation, revision: int, *, is_redo: bool) -> Decision:
    """What "undo" and "redo" lead to."""
    wanted = (again if is_redo else before)(conversation, revision)
    if wanted is None and is_redo:
        return _say(
            'There is nothing to redo, so nothing has changed. To bring a version back, say "version" and its number.'
        )
    if wanted is None:
        return _say(
            f"The set is at version {revision}, and I cannot tell which one came before: "
            f'say "version {revision - 1}", or another number.'
        )
    if not wanted:
        return _say("There is nothing more to undo: this is the first version of the set again.")
    return _brought_back(conversation, revision, wanted)


def _brought_back(conversation: Conversation, revision: int, wanted: int) -> Decision:
    if not 1 <= wanted < revision:
        return _say(
            f"The set is at version {revision}; I can bring back version "
            f"{'1' if revision == 2 else f'1 to {revision - 1}'}."
        )
    name = "the first version" if wanted == 1 else f"version {wanted}"
    note = (
        f"Back to {name} of the {kind_of(conversation)} set. "
        f'Version {revision} is kept as well: say "version {revision}" to return.'
    )
    return Call(RESTORE_TOOL, {"revision": str(wanted), "note": note})


def drop(workshop: Workshop, conversation: Conversation) -> Decision | None:
    """Some questions taken out, the others as they are."""
    message, size = conversation.message, conversation.own_size
    if DROP_TOOL not in conversation.tools.others or not REMOVE.search(message) or IN_ITS_PLACE.search(message):
        return None
    positions = positions_in(message, size) or _meant(workshop, conversation)
    if positions is None:
        return _say(f'Which one shall I take out? There are {size}; say for example "drop 2".')
    if not positions:
        return _say("None of the questions is about that, so nothing changes.")
    if positions[-1] > size:
        return _say(no_such_question(size))
    left = size - len(positions)
    if not left:
        return _say('A set cannot be empty. Say "new questions" for another set in its place.')
    verb = "is" if left == 1 else "are"
    note = (
        f"Dropped {numbered(positions)}; {counted(left)} {verb} left. "
        f'Say "{len(positions)} more" to fill up to {size} again.'
    )
    return Call(DROP_TOOL, {"positions": _joined(positions), "note": note})


def keep(workshop: Workshop, conversation: Conversation) -> Decision | None:
    """Only some of the questions: named by number, by topic, or the most important ones."""
    message, size = conversation.message, conversation.own_size
    if KEEP_TOOL not in conversation.tools.others or IN_ITS_PLACE.search(message):
        return None
    positions = positions_in(message, size)
    if positions and (_KEEP.search(message) or _ONLY_POSITIONS.search(message)):
        return _kept(conversation, positions_said(message) or positions, "")
    fewer = _FEWER.search(message)
    if fewer and conversation.own_set and (count := number_in(fewer.group())) and count < size:
        return _kept(conversation, tuple(sorted(_most_important(conversation, conversation.own_set)[:count])), "")
    if _SOME_FEWER.search(message) and count_asked(message) is None and not positions:
        return _say('How many shall be left, or which ones? Say for example "only 3" or "drop 2 and 4".')
    return None if REMOVE.search(message) else _keep_what(workshop, conversation)


def _keep_what(workshop: Workshop, conversation: Conversation) -> Decision | None:
    """Only the questions of a kind. Where the set has none, but the bank has, that is a wish for a new set."""
    what = _what(conversation)
    if what is None or conversation.own_set is None:
        return None
    if found := matching(workshop, conversation, what):
        return _kept(conversation, found, what)
    return None if _bank_has(workshop, conversation, what) else _say(_nothing_on(workshop, conversation, what))


def reorder(_workshop: Workshop, conversation: Conversation) -> Decision | None:
    """The same questions in another order."""
    size = conversation.own_size
    if KEEP_TOOL not in conversation.tools.others:
        return None
    order = order_in(conversation.message, size, conversation.own_set)
    if order is None:
        return None
    if set(order) != set(range(1, size + 1)):
        return _say(no_such_question(size))
    if order == tuple(range(1, size + 1)):
        return _say("They stand in that order already, so nothing changes.")
    note = f"The same {counted(size)}, now in the order {', '.join(map(str, order))}. {_UNDO}"
    return Call(KEEP_TOOL, {"positions": _joined(order), "note": note})


def fit_time(_workshop: Workshop, conversation: Conversation) -> Decision | None:
    """As many of the questions as fit into the time, those on must-haves first."""
    limit, current = minutes_in(conversation.message), conversation.own_set
    is_limit = limit is not None and not is_lasting_limit(conversation.message)
    if KEEP_TOOL not in conversation.tools.others or not is_limit or limit is None or current is None:
        return None
    total = sum(minutes_of(question) for question in current.questions)
    if not total:
        return None
    if total <= limit:
        return _say(f"The {counted(len(current.questions))} take {total} minutes together, so they fit into {limit}.")
    if limit <= HARDLY_ANY_MINUTES:
        return _say(_no_time(current, limit))
    chosen: list[int] = []
    for place in _most_important(conversation, current):
        if sum(minutes_of(current.question(one)) for one in (*chosen, place)) <= limit:
            chosen.append(place)
    if not chosen:
        return None
    chosen.sort()
    spent = sum(minutes_of(current.question(place)) for place in chosen)
    out = [place for place in range(1, len(current.questions) + 1) if place not in chosen]
    left_out = ", ".join(
        f"{place} ({_subject(current, place)}, {minutes_of(current.question(place))} min)" for place in out
    )
    note = (
        f"Kept {numbered(chosen)}: {spent} of your {limit} minutes, what the posting asks for first. "
        f"Left out: {left_out}. {_UNDO}"
    )
    return Call(KEEP_TOOL, {"positions": _joined(chosen), "note": note})


def _no_time(current: CurrentSet, limit: int) -> str:
    place = min(range(1, len(current.questions) + 1), key=lambda one: minutes_of(current.question(one)))
    return (
        f"No question fits into {counted(limit, 'minute')}: the shortest is question {place}, with "
        f"{minutes_of(current.question(place))}. Nothing has changed; its first sentence, said aloud, is what fits."
    )


def _kept(conversation: Conversation, positions: tuple[int, ...], what: str) -> Decision:
    size = conversation.own_size
    if not positions or max(positions) > size:
        return _say(no_such_question(size))
    if positions == tuple(range(1, size + 1)):
        return _say(f"All {size} questions are {f'about {what}' if what else 'among these'}, so nothing changes.")
    more = size - len(positions)
    if not more:
        return Call(
            KEEP_TOOL, {"positions": _joined(positions), "note": f"Now in the order {_joined(positions)}. {_UNDO}"}
        )
    topic = f" on {what}" if what else ""
    note = f'Kept {numbered(positions)}{topic}. Say "{more} more{topic}" to fill up to {size} again, or "undo".'
    return Call(KEEP_TOOL, {"positions": _joined(positions), "note": note})


def _what(conversation: Conversation) -> str | None:
    """The kind of question that a message wants to keep; None where it names none."""
    match = _ONLY_WHAT.search(conversation.message)
    if match is None:
        return None
    what = next(group for group in match.groups() if group).strip()
    own = (conversation.interview_type or "").replace("_", " ")
    is_none = bool(re.search(r"\d", what)) or what.lower() in {own, "new", "more", "other", "good", "my", "these"}
    return None if is_none or count_asked(conversation.message) is not None else what


def _bank_has(workshop: Workshop, conversation: Conversation, what: str) -> bool:
    questions = workshop.bank.of_type(conversation.interview_type or "")
    return any(topic.covers(question) for topic in workshop.topics(what) for question in questions)


def _nothing_on(workshop: Workshop, conversation: Conversation, what: str) -> str:
    """For a topic that neither the set nor the bank of its type has."""
    others = [
        name.replace("_", " ")
        for name, questions in workshop.bank.by_type.items()
        if name != conversation.interview_type
        and any(topic.covers(question) for topic in workshop.topics(what) for question in questions)
    ]
    kind = (conversation.interview_type or "").replace("_", " ")
    hint = f' There are {listed(others)} ones: say "switch to {others[0]}".' if others else ""
    return f"None of the questions is about {what}, and the {kind} bank has none either, so nothing changes.{hint}"


def _meant(workshop: Workshop, conversation: Conversation) -> tuple[int, ...] | None:
    """Positions that a message names by what the questions are; None where it names none so."""
    current = conversation.own_set
    if current is None:
        return None
    if (place := extreme(conversation.message, current)) is not None:
        return (place,)
    what = REMOVE.sub(" ", conversation.message)
    what = re.sub(r"\b(?:please|the|all|any|every|ones?|questions?|about|on)\b", " ", what, flags=re.IGNORECASE).strip(
        " .!?"
    )
    if not what or what.lower() in {"it", "that", "this", "some", "them", "a few"}:
        return None
    return matching(workshop, conversation, " ".join(what.split()))


def _most_important(conversation: Conversation, current: CurrentSet) -> tuple[int, ...]:
    """All positions: first one question for each must-have, then for each other requirement, then the rest."""
    posting = Posting(conversation.posting)
    quoted: set[str] = set()
    ranks: dict[int, tuple[int, int, int]] = {}
    for place, question in enumerate(current.questions, start=1):
        requirement = str(question.get("requirement") or "")
        line = posting.line_at(conversation.posting.find(requirement)) if requirement else None
        is_must = line is not None and line.weight == REQUIREMENT_WEIGHT
        rank = 3 if not requirement else 2 if requirement in quoted else 0 if is_must else 1
        quoted.add(requirement)
        ranks[place] = (rank, minutes_of(question), place)
    return tuple(sorted(ranks, key=lambda place: ranks[place]))


def _subject(current: CurrentSet, place: int) -> str:
    return str(current.question(place).get("category") or "general").replace("_", " ")


def _joined(positions: tuple[int, ...] | list[int]) -> str:
    return ",".join(map(str, positions))


def _say(text: str) -> Say:
    return Say(signed(text))
