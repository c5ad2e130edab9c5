"""What the candidate wants for good: a topic left out, a time limit, a level, whatever follows "always"."""

import re

from app.providers.offline.job import Workshop
from app.providers.offline.phrasing import listed
from app.providers.offline.wishes import change_in, level_in, minutes_in

MAX_WISH_CHARACTERS = 200

_FOR_GOOD = re.compile(
    r"\b(?:always|never|from now on|every (?:time|set|session|round)|each (?:time|set|session|round)|as a rule"
    r"|immer|nie(?:mals)?|ab jetzt)\b",
    re.IGNORECASE,
)
_IN_ALL = re.compile(
    r"\b(?:in (?:all|total)|overall|altogether|per (?:set|session|round)|a day|every day|insgesamt)\b", re.IGNORECASE
)
_CODE = re.compile(r"[<>`{}$\\]|(?:^|\s)[=@|]|\w\(")
_ABOUT_PRACTICE = re.compile(
    r"\b(?:questions?|ones?|ask\w*|answers?|interview\w*|cases?|stor(?:y|ies)|hints?|follow[- ]?ups?|examples?"
    r"|easy|hard|short|long|difficult\w*|strict|friendly|tough|brief|topics?|language|english|german|deutsch|spanish"
    r"|french|fragen?|start|begin|end|include|give|use|keep|focus\w*|practi[cs]e|posting|job|role|minutes?|levels?)\b",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"(?<=[.!?;])\s+|\n+")


def standing_wish(workshop: Workshop, message: str) -> str:
    """The part of a message that also holds for later turns, in its words; empty where there is none."""
    for part in _SENTENCES.split(message.strip()):
        if _FOR_GOOD.search(part) and len(part) <= MAX_WISH_CHARACTERS and _says_something(workshop, part):
            return " ".join(part.split()).rstrip(".!;")
    if is_lasting_limit(message):
        return f"{minutes_in(message)} minutes in all"
    if refused := workshop.refused(message):
        return f"no {listed(list(dict.fromkeys(topic.wording for topic in refused)))}"
    return ""


def _says_something(workshop: Workshop, wish: str) -> bool:
    """Whether a wish, read without "always", is about questions or an interview, in words and not in code."""
    rest = _FOR_GOOD.sub(" ", wish)
    if _CODE.search(rest):
        return False
    return (
        bool(_ABOUT_PRACTICE.search(rest) or workshop.names_topic(rest) or workshop.refused(rest))
        or change_in(rest) is not None
        or level_in(rest) is not None
        or minutes_in(wish) is not None
    )


def is_lasting_limit(message: str) -> bool:
    """Whether a message limits the time of every set, not only that of the one at hand."""
    return minutes_in(message) is not None and bool(_FOR_GOOD.search(message) or _IN_ALL.search(message))
