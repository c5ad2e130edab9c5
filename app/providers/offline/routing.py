"""Which interview type a message is about. An unknown type is found by its name or its description."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from app.bank.posting import Posting
from app.bank.skills import field_of_posting, field_of_title

BEHAVIORAL, CASE_STUDY, REVERSE, TECHNICAL = "behavioral", "case_study", "reverse", "technical"

_CRAFT_FIELDS = frozenset({"software", "data"})

_NAMES: Mapping[str, str] = {
    BEHAVIORAL: (
        r"behaviou?ral|verhaltens\w*|competenc(?:y|ies)(?:[- ]based)?|tell me about a time|soft[- ]skills?"
        r"|leadership principles"
        r"|(?:hr|people|values|culture)[- ](?:round|interview|screen)|fit interview|star "
        r"(?:stor(?:y|ies)|method|format|questions?|answers?)"
    ),
    CASE_STUDY: (
        r"case[- ]stud(?:y|ies)|fallstudien?|case[- ]interviews?|(?:business|consulting|product|mini"
        r"|practice)[- ]cases?|market[- ]sizing"
        r"|guess?timates?|estimation|fermi|case (?:questions?|round|practice|prep)|a case\b|cases\b"
    ),
    REVERSE: (
        r"reverse|questions? (?:(?:that )?(?:i|we) (?:can|could|should|might|may) ask|for (?:them"
        r"|the (?:employer|interviewer|company"
        r"|hiring manager|recruiter|panel|team)|my (?:interviewer|future (?:boss|manager)))|to "
        r"ask (?:them|the|my|an?|at the end)\b)"
        r"|what (?:do|should|can|could|would|might|shall) (?:i|we) ask\b(?! for)|i (?:should|can"
        r"|could) ask (?:them|the)\b"
        r"|ask (?:the (?:employer|interviewer|company|hiring manager|recruiter)|my interviewer)"
        r"|(?:any|some) questions for (?:us|them)|red flags"
    ),
    TECHNICAL: (
        r"technical|technische\w*|fachfragen|coding|system[- ]design|leet[- ]?code|white[- ]?board\w*|algorithms?|data "
        r"structures|programming"
    ),
}
"""What a type is called; a message that holds one of these asks for it by name."""

_TOPICS: Mapping[str, str] = {
    BEHAVIORAL: (
        r"conflicts?|team ?work|motivation|strengths?|weakness(?:es)?|failures?|feedback|stories"
        r"|story|values|leadership|culture fit"
        r"|disagreements?|hr manager"
    ),
    CASE_STUDY: (
        r"profitability|pricing|market entry|business problem|root[- ]cause|what would you do if"
        r"|go/no-go|take[- ]home"
    ),
    TECHNICAL: r"debug\w*|code|apis?|architecture|live[- ]?code",
}
"""Subjects that speak for a type when none is named."""

_COMPILED_NAMES = {name: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) for name, words in _NAMES.items()}
_COMPILED_TOPICS = {name: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) for name, words in _TOPICS.items()}
_STAR = re.compile(r"\bSTAR\b")
_NEGATED = re.compile(
    r"\b(?:not|no|no more|instead of|rather than|without|enough|other than|stop|except|done with)(?:\s+\w+)?\s+$",
    re.IGNORECASE,
)

_EVERYDAY = frozenset(
    {
        "about", "after", "again", "also", "and", "any", "anything", "are", "ask", "asked", "because", "been",
        "before", "being", "both", "but", "can", "candidate", "career", "come", "coming", "could", "day", "did",
        "does", "doing", "done", "each", "else", "employer", "every", "everything", "first", "for", "from", "get",
        "getting", "give", "going", "good", "great", "had", "has", "have", "having", "hello", "help", "her", "here",
        "him", "his", "how", "into", "interview", "interviews", "it", "its", "job", "jobs", "just", "know", "last",
        "least", "let", "like", "look", "looking", "lot", "made", "make", "making", "many", "maybe", "me", "more",
        "most", "much", "must", "my", "need", "needs", "new", "next", "not", "nothing", "now", "number", "off",
        "one", "only", "other", "our", "out", "own", "people", "please", "position", "practice", "practise",
        "prepare", "preparation", "preparing", "question", "questions", "really", "right", "role", "round",
        "rounds", "said", "say", "see", "set", "should", "some", "something", "soon", "start", "such", "sure",
        "take", "talk", "tell", "than", "thank", "thanks", "that", "the", "their", "them", "then", "there", "these",
        "they", "thing", "things", "think", "this", "those", "through", "time", "today", "tomorrow", "too", "try",
        "upcoming", "use", "using", "very", "want", "wants", "was", "way", "week", "well", "were", "what", "when",
        "where", "which", "while", "who", "why", "will", "with", "within", "without", "word", "words", "work",
        "working", "would", "yes", "yet", "you", "your", "yours", "choose", "finds",
    }
)  # fmt: skip
_SUFFIX = re.compile(r"(?:iations?|iating|iates?|iated?|ations?|ating|ates?|ated|ings?|ers?|ed|es|s|ies|y)$")


def named_types(message: str, types: Iterable[str]) -> list[str]:
    """The types that a message asks for by name, in the order named, without refused ones ("not behavioral")."""
    found: list[tuple[int, str]] = []
    for name in types:
        starts = [match.start() for words in _name_patterns(name) for match in words.finditer(message)]
        kept = [start for start in starts if not _NEGATED.search(message[max(start - 60, 0) : start])]
        if kept:
            found.append((min(kept), name))
    return [name for _, name in sorted(found)]


def best_type(message: str, posting: str, targets: Mapping[str, str]) -> str:
    """The type to hand a first message to. `targets` holds each type's description; the first is the last resort."""
    if named := named_types(message, targets):
        return named[0]
    if described := _described(message, targets):
        return described
    field = field_of_title(message) or (field_of_posting(Posting(posting)) if posting else None)
    if field is not None or not message.strip():
        preferred = TECHNICAL if field in _CRAFT_FIELDS else BEHAVIORAL
    else:
        preferred = BEHAVIORAL
    return preferred if preferred in targets else next(iter(targets))


def has_match(message: str, targets: Mapping[str, str]) -> bool:
    """Whether anything in a message speaks for one of the types."""
    return bool(named_types(message, targets) or _described(message, targets))


def _name_patterns(name: str) -> list[re.Pattern[str]]:
    if name in _COMPILED_NAMES:
        return [_COMPILED_NAMES[name], _STAR] if name == BEHAVIORAL else [_COMPILED_NAMES[name]]
    # Of a type nobody told this engine about, the words of its name in a row: salary negotiation, negotiate my salary.
    stems = [re.escape(_stem(word)) for word in name.split("_")]
    orders = {r"\w*\W+(?:\w+\W+){0,2}".join(order) for order in (stems, stems[::-1])}
    return [re.compile(rf"(?<!\w){order}\w*", re.IGNORECASE) for order in sorted(orders)]


def _described(message: str, targets: Mapping[str, str]) -> str | None:
    """The type whose subjects or description share most with the message, if that is more than chance."""
    words = _content(message)
    contents = {name: _content(f"{name.replace('_', ' ')} {description}") for name, description in targets.items()}
    spread = Counter(stem for content in contents.values() for stem in content)
    scores = {
        name: sum(2 if spread[stem] == 1 else 0 for stem in words & content)
        + 3 * len(_COMPILED_TOPICS[name].findall(message) if name in _COMPILED_TOPICS else ())
        for name, content in contents.items()
    }
    best = max(scores, key=lambda name: scores[name], default=None)
    return best if best is not None and scores[best] >= 2 else None


def _content(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_]{3,}", text.lower())
    return {_stem(word) for word in words if word not in _EVERYDAY}


def _stem(word: str) -> str:
    stem = _SUFFIX.sub("", word)
    return stem if len(stem) >= 4 else word
