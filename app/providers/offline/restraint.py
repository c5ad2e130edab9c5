"""What looks like an edit and is none: refusals, questions about an edit, answers, and several edits in one message.

When in doubt nothing changes, and the reply says what would be understood.
"""

import re
from dataclasses import replace

from app.providers.offline.answers import explanation
from app.providers.offline.conversation import Conversation
from app.providers.offline.phrasing import counted
from app.providers.offline.plainly import UNREAD_EXCEPTION
from app.providers.offline.wishes import change_in, count_asked, level_in

ONE_AT_A_TIME = (
    'One change at a time, please: say for example "make question 1 easier", and then the next one. '
    "Nothing has changed."
)
_MAX_CHARACTERS = 200
_SAY_SO = 'To change the set, say it as a request: for example "drop 2" or "make 3 harder".'

_NOT = (
    r"(?:do(?:n'?t|n\u2019t| not)|never|no need to|should(?:n'?t|n\u2019t| not)|must(?:n'?t|n\u2019t| not)|please not)"
)
_WISHING = r"(?:\s+(?:ever|please|just|you|want|wish|need|have|like|me|us|to))*"
_CHANGING = (
    r"(?:drop|remove|delete|lose|discard|get rid of|take out|throw out|leave out|cut|keep|make|turn|change|replace|swap"
    r"|exchange|rewrite|reword|go back|undo|revert|restore|reorder|reverse|move|put|touch|switch|shorten"
    r"|(?:(?:give|ask|show|make|add|generate|want|need|get)\s+(?:me\s+)?(?:any\s+)?)?(?:new|more|other|further)"
    r"\s+(?:questions?|ones|fragen)\b(?!\s+(?:about|on|with|from))|add\b)"
)
_CLAUSE_END = (
    r"(?=[,;]\s*(?:(?:but|and|just|please|only)\s+)*(?:drop|remove|delete|make|replace|swap|add|keep)\b|\bbut\b"
    r"|[.;!?]\s|\W*$)"
)
_NEGATED = re.compile(rf"\b(?:i\s+)?{_NOT}{_WISHING}\s+{_CHANGING}.*?{_CLAUSE_END}", re.IGNORECASE)
_GERMAN_NOT = re.compile(
    r"\b(?:l\u00f6sch|entfern|streich|\u00e4nder|ersetz|behalt)\w*\b.{0,40}\bnicht\b"
    r"|\bnicht(?:s)?\s+(?:l\u00f6sch|entfern|streich|\u00e4nder|ersetz)\w*",
    re.IGNORECASE,
)
_NO_NEW = re.compile(
    r"^\W*(?:please\W+)?(?:i\s+(?:want|need)\s+)?(?:no|keine)\s+(?:(?:new|more|other|further|neuen?|weiteren?)\s+)+"
    r"(?:questions?|ones|fragen)\b(?:\W+(?:please|bitte|thanks?|thank you|now|for now))*\W*$",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|please|no|oh|well|actually)\W+)*"
    r"(?:never\W?mind|no|nope|nah|nein|stop|cancel|abort|abbrechen|stopp"
    r"|forget (?:it|that|about it)|leave (?:it|them|everything|all)(?: as (?:it is|they are)| alone)?"
    r"|(?:keep|leave) (?:it|them|everything|all)(?: of them)? (?:as (?:it is|they are|is)|the same|unchanged))"
    r"(?:\W+(?:it|that|this|please|thanks?|thank you|then|now|bitte|danke))*\W*$",
    re.IGNORECASE,
)
_LEFT_AS_IT_IS = re.compile(
    r"^\W*(?:please\W+)?(?:keep|leave)\b.{1,30}\b(?:as (?:it is|they are|is)|alone|untouched|unchanged)\W*$",
    re.IGNORECASE,
)

_WISH_IN_A_QUESTION = re.compile(
    r"^\W*(?:(?:and|but|so|ok(?:ay)?|well)\W+)*(?:(?:can|could|would|will) (?:you|we)\b"
    r"|(?:can|could|may) i\b|(?:what|how) about\b"
    r"|(?:do you|have you|are there|is there)\b|why not\b)",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^\W*(?:(?:and|but|so|ok(?:ay)?|hm+|well|then)\W+)*"
    r"(?:should|shall|what|why|how|when|where|who|which|is|are|was|were|do|does"
    r"|did|has|have|am|would|could|soll\w*|wie|wann|welche\w*|ist|sind)\b(?!\s*(?:not|n't)\s+(?:like|want))",
    re.IGNORECASE,
)
_EDITING = re.compile(
    r"\b(?:drop|remov|delet|discard|get rid|take out|lose|keep|restore|revert|undo|bring back|back to|reorder"
    r"|revers)\w*"
    r"|\bversion \d|\b(?:best|top|most important) \d|\bentfern\w*|\bl\u00f6sch\w*|\bstreich\w*|\bbehalt\w*",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"\b(?<!can )(?<!could )(?<!shall )(?:i|we|they|he|she)(?:\s+|['\u2019](?:d|ll)\s+)"
    r"(?:(?:would|could|might|may|will|should|must|always|then|first|also|just|simply)\s+)*"
    r"(?:drop|remove|delete|discard|lose|keep|revert|undo|restore|replace|swap|change)(?:ped|d|ed)?\b",
    re.IGNORECASE,
)
_CAN_I = re.compile(r"\b(?:can|could|may) (?:i|we)\b", re.IGNORECASE)
_MY_ANSWER = re.compile(r"\bmy answer\b|\bmeine antwort\b", re.IGNORECASE)
_REMARK_VERB = re.compile(
    r"\bdrop (?:me|us|him|her|them) (?:an?|some) (?:line|note|message|hint|mail)\b", re.IGNORECASE
)
_PART_OF_ONE = re.compile(
    r"\b(?:drop|remove|delete|cut|take out|strike)\s+(?:the|a|an|all|any|every|this|that)\s+(?!questions?\b|ones?\b)"
    r"[^.,;]{2,60}?\s+(?:from|in|of|out of|at)\s+(?:the\s+)?(?:question\s*|number\s*|q|#)?\d",
    re.IGNORECASE,
)
_EVERY_NTH = re.compile(
    r"\bevery (?:second|third|fourth|fifth|other|\d+(?:nd|rd|th))\b"
    r"|\b(?:even|odd)(?:[- ]numbered)?\b(?! (?:if|though))",
    re.IGNORECASE,
)
_RANKED = re.compile(
    r"\b(?:keep|only|just|show|give me|want)\b.{0,20}"
    r"\b(?:best|top|favou?rite)\s+(?:one|two|three|four|five|six|\d{1,2})\b"
    r"|\b(?:keep|only|just)\b.{0,15}\bthe best\b(?: ones?| questions?)?\W*$|^\W*the best (?:\d{1,2}|one|two|three)\W*$",
    re.IGNORECASE,
)

_PIECES = re.compile(r"\band\b|\bund\b|\bthen\b|\bbut\b|[,;.]|\baber\b|\bdann\b", re.IGNORECASE)
_EDITS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(words, re.IGNORECASE))
    for kind, words in (
        ("restore", r"\bundo\b|\brevert\b|\brestore\b|\bback to (?:the |version )"),
        (
            "drop",
            (
                r"^\W*(?:please |also |can you |could you )*(?:drop|remove|delete|discard"
                r"|entfern\w*|l\u00f6sch\w*|streich\w*)\b"
            ),
        ),
        ("keep", r"^\W*(?:please |also |can you |could you )*(?:keep|behalt\w*)\b"),
        ("add", r"\badd\b|\b(?:\d+|one|two|three|four|five) more\b"),
        ("shape", r"\b(?:make|turn)\b.*\b(?:harder|tougher|easier|simpler|shorter)\b"),
        ("swap", r"^\W*(?:please |also )*(?:replace|swap|exchange)\b"),
        ("order", r"^\W*(?:please |also )*(?:move|reverse|sort|start with|end with|put \d+ (?:first|last))\b"),
    )
)


def meant(conversation: Conversation) -> Conversation:
    """The conversation without what its latest message says not to do, where it asks for something beside it."""
    message = conversation.message
    rest = _NEGATED.sub(" ", message).strip(" ,;.!?")
    is_wish = _EDITING.search(rest) is not None or change_in(rest) is not None or count_asked(rest) is not None
    return replace(conversation, message=rest) if rest != message.strip(" ,;.!?") and is_wish else conversation


def refusal(conversation: Conversation) -> str | None:
    """The acknowledgement of "never mind", "don't drop 2", "no new questions"."""
    message = conversation.message
    if len(message) > _MAX_CHARACTERS:
        return None
    is_refusal = any(words.search(message) for words in (_REFUSAL, _NO_NEW, _NEGATED, _GERMAN_NOT, _LEFT_AS_IT_IS))
    if not is_refusal:
        return None
    size = conversation.own_size
    stay = f": the {counted(size)} {'stays as it is' if size == 1 else 'stay as they are'}" if size else ""
    return f"All right, nothing has changed{stay}."


def no_edit(conversation: Conversation) -> str | None:
    """The reply to what only sounds like an edit; None for anything else."""
    message = conversation.message
    if not conversation.own_size or len(message) > _MAX_CHARACTERS:
        return None
    if _MY_ANSWER.search(message):
        return explanation(conversation)
    if _is_question(message):
        return explanation(conversation) or f"That reads as a question, so nothing has changed. {_SAY_SO}"
    if _REMARK_VERB.search(message) or (_TOLD.search(message) and not _CAN_I.search(message)):
        unread = f"I did not understand that as a wish for the set, so nothing has changed. {_SAY_SO}"
        return explanation(conversation) or unread
    if _PART_OF_ONE.search(message):
        return (
            "Only whole questions can be taken out; to change the words of one takes a language model, which is not "
            'connected. Nothing has changed. To take a question out, say for example "drop 2".'
        )
    return _unclear(message)


def several(conversation: Conversation) -> str | None:
    """The reply to two different edits in one message."""
    if not conversation.own_size or len(conversation.message) > _MAX_CHARACTERS:
        return None
    kinds = [kind for piece in _PIECES.split(conversation.message) for kind in _kinds(piece)]
    found = set(kinds)
    if found == {"add", "shape"} and re.search(r"\bmake (?:them|it|those)\b", conversation.message, re.IGNORECASE):
        return None
    return ONE_AT_A_TIME if len(found) > 1 else None


def too_long(conversation: Conversation) -> str | None:
    """A long message that speaks of taking questions out is no wish for others in their place."""
    message = conversation.message
    is_edit = re.search(r"\b(?:drop|remove|delete|get rid of)\b", message, re.IGNORECASE) is not None
    is_other = re.search(r"\b(?:replac\w*|swap|exchange|instead|harder|easier)\b", message, re.IGNORECASE) is not None
    if not conversation.own_size or len(message) <= _MAX_CHARACTERS or not is_edit or is_other:
        return None
    if level_in(message) is not None or len(message) > 4 * _MAX_CHARACTERS:
        return None
    return f"I did not understand all of that, so nothing has changed. {_SAY_SO}"


def _kinds(piece: str) -> list[str]:
    return [kind for kind, words in _EDITS if words.search(piece)]


def _is_question(message: str) -> bool:
    if _WISH_IN_A_QUESTION.search(message) or not _QUESTION.search(message):
        return False
    return _EDITING.search(message) is not None or change_in(message) is not None


def _unclear(message: str) -> str | None:
    """Edits that name the questions in a way that is not known here."""
    if _RANKED.search(message):
        return (
            'There is no ranking of the questions, so nothing has changed. Say "only 2" to keep the 2 that the posting '
            'asks for first, or "I have 20 minutes" to keep what fits.'
        )
    is_edit = _EDITING.search(message) is not None or change_in(message) is not None
    if is_edit and (_EVERY_NTH.search(message) or UNREAD_EXCEPTION.search(message)):
        return 'I did not understand which ones, so nothing has changed. Say the numbers, such as "drop 2 and 4".'
    return None
