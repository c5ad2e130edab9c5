"""What the candidate wants for good: a topic left out, a time limit, a level, whatever follows "always"."""

import re

from app.providers.offline.job import Workshop
from app.providers.offline.phrasing import listed
from app.providers.offline.wishes import minutes_in

MAX_WISH_CHARACTERS = 200

_FOR_GOOD = re.compile(
    r"\b(?:always|never|from now on|every (?:time|set|session|round)|each (?:time|set|session|round)|as a rule"
    r"|immer|nie(?:mals)?|ab jetzt)\b",
    re.IGNORECASE,
)
_IN_ALL = re.compile(
    r"\b(?:in (?:all|total)|overall|altogether|per (?:set|session|round)|a day|every day|insgesamt)\b", re.IGNORECASE
)
_SENTENCES = re.compile(r"(?<=[.!?;])\s+|\n+")


def standing_wish(workshop: Workshop, message: str) -> str:
    """The part of a message that also holds for later turns, in its words; empty where there is none."""
    for part in _SENTENCES.split(message.strip()):
        if _FOR_GOOD.search(part) and len(part) <= MAX_WISH_CHARACTERS:
            return " ".join(part.split()).rstrip(".!;")
    if is_lasting_limit(message):
        return f"{minutes_in(message)} minutes in all"
    if refused := workshop.refused(message):
        return f"no {listed(list(dict.fromkeys(topic.wording for topic in refused)))}"
    return ""


def is_lasting_limit(message: str) -> bool:
    """Whether a message limits the time of every set, not only that of the one at hand."""
    return minutes_in(message) is not None and bool(_FOR_GOOD.search(message) or _IN_ALL.search(message))
