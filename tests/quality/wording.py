"""Rules about single texts: one ask, open, an observable verb, no trait, no claim about the employer, nothing leaked.

The word lists are English, as the requests of the report are. In doubt a rule lets a text pass: what it counts as a
failure should be one that a reader would agree with.
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache

from rapidfuzz import utils

from app.orchestration.questions import COPIED_WORDS, is_asked_in, is_form_of, verbatim

_AUXILIARIES = (
    r"(?:do|does|did|is|are|was|were|am|has|have|had|can|could|will|would|shall|should|may|might|must)(?:n't|n\u2019t)?"
)
_QUESTION_WORD = r"(?:what|how|which|why|who|whom|whose|where|when)"
_IMPERATIVE = re.compile(
    r"^(?:please |now |briefly:? )*(?:tell|describe|recall|explain|walk|talk|show|name|list|give|think|pick|choose|take"
    r"|design|outline|sketch|draft|write|plan|structure|compare|estimate|calculate|compute|rank|argue|recommend|decide"
    r"|propose|review|rewrite|teach|set|build|find|say|state|share|discuss|define|sell|split|prioriti[sz]e|size)\b",
    re.IGNORECASE,
)
_NARRATIVE = re.compile(r"^(?:please )?(?:tell|describe|explain|walk|recall|talk|outline|list)\b", re.IGNORECASE)
_SECOND_ASK = re.compile(rf"[,;]? (?:and|then) {_QUESTION_WORD}(?: \w+)? {_AUXILIARIES}\b[^?]*\?", re.IGNORECASE)
_SUBORDINATE = re.compile(
    rf"^(?:if|while|after|before|once|since|as|suppose|given|because|although|when(?! {_AUXILIARIES}\b))\b[^,:]*[,:] *",
    re.IGNORECASE,
)
_LEAD_IN = re.compile(r"^(?:[\w' -]+: |and |but |so |then )+", re.IGNORECASE)


def sentences(text: str) -> list[str]:
    """The sentences of a text, without what stands around them."""
    return [part.strip("\"'\u201c\u201d ") for part in re.split(r"(?<=[.?!])[\"'\u201d]?\s+", text.strip()) if part]


def asks_once(text: str) -> bool:
    """Whether there is one ask: at most one question, with "and why?" at its end, and at most one "tell me".

    "Tell me about a mistake. What did you learn?" is one ask with its occasion.
    """
    asked = [sentence for sentence in sentences(text) if sentence.endswith("?")]
    told = [sentence for sentence in sentences(text) if _NARRATIVE.search(sentence)]
    return text.count("?") <= 1 and len(told) <= 1 and not any(_SECOND_ASK.search(sentence) for sentence in asked)


def is_open(text: str) -> bool:
    """Whether yes or no would be no answer.

    A choice ("repair or replace?") and a further part ("do you ship it, and to whom?") make it open too.
    """
    asked = [sentence for sentence in sentences(text) if sentence.endswith("?")]
    if not asked:
        return any(_IMPERATIVE.search(_LEAD_IN.sub("", sentence)) for sentence in sentences(text))
    return not any(_is_closed(sentence) for sentence in asked)


def _is_closed(sentence: str) -> bool:
    core = _SUBORDINATE.sub("", _LEAD_IN.sub("", sentence))
    opens_further = re.search(rf"\bor\b|,? and (?:\w+ )?{_QUESTION_WORD}\b", core, re.IGNORECASE)
    return re.match(rf"{_AUXILIARIES}\b", core, re.IGNORECASE) is not None and opens_further is None


_NOT_VERBS = frozenset(
    {
        *("always", "analysis", "basics", "business", "clearness", "details", "ethics", "examples"),
        *("figures", "focus", "fundamentals", "goals", "ideas", "is", "mathematics", "metrics", "numbers", "options"),
        *("politics", "process", "progress", "results", "risks", "skills", "solutions", "stakeholders", "status"),
        *("steps", "strengths", "success", "tactics", "thoughts", "this", "tools", "was", "weaknesses"),
    }
)
_BASE_VERBS = frozenset(
    {
        *("admit", "analyse", "analyze", "ask", "calculate", "check", "choose", "cite", "compare", "compute", "define"),
        *("describe", "design", "estimate", "explain", "give", "identify", "justify", "link", "list", "map", "measure"),
        *("mention", "name", "order", "outline", "point", "propose", "quantify", "quote", "rank", "recommend", "refer"),
        *("report", "separate", "set", "show", "state", "test", "trace", "use", "verify", "weigh"),
    }
)


def opens_with_verb(criterion: str) -> bool:
    """Whether it says what the answer does: "Names …", "Compares …"; also "Strong: names …"."""
    word = re.match(r"(?:(?:strong|worrying)\s*:\s*)?([A-Za-z-]+)", criterion.strip(), re.IGNORECASE)
    first = word.group(1).lower() if word else ""
    return first in _BASE_VERBS or (
        first.endswith("s") and not first.endswith(("ss", "us", "ness", "ics")) and first not in _NOT_VERBS
    )


_TRAITS = re.compile(
    r"\b(?:confiden(?:t|ce)(?! interval| level)|passionate|enthusias\w+|cultur\w+ fit|fits? the culture|likeable"
    r"|natural leader|charisma\w*|self-assured|ambitious|go-getter|positive attitude|(?:strong|great) personality"
    r"|team player|(?:is|seems|appears|sounds) (?:honest|likeable|smart|intelligent|motivated|friendly|mature))\b",
    re.IGNORECASE,
)
_PROTECTED = re.compile(
    r"\b(?:(?:are|were) you (?:married|single|pregnant|religious|disabled|gay|a parent)|how old are you|your age"
    r"|(?:when|where) were you born|where are you (?:originally |really )?from|your (?:marital|family) (?:status|plans?"
    r"|situation)|your (?:children|kids|spouse|husband|wife|pregnancy|religio\w+|ethnic\w*|nationality|skin|accent"
    r"|disabilit\w+|health(?! (?:service|system|record|data|care|check|app))|medical (?:history|condition)"
    r"|sexual \w+|native (?:country|tongue))"
    r"|do you (?:have|plan|want) (?:\w+ )?(?:children|kids|a family|a disability))\b",
    re.IGNORECASE,
)
_COMPANY_CLAIM = re.compile(
    r"\b(?:here at|(?:at|in|for|with) our (?:company|firm|organi[sz]ation|business|hospital|school|team here))\b"
    r"|\bour (?:company|firm|customers|clients|users|subscribers|patients|pupils|product|platform|employees|brand"
    r"|app|organi[sz]ation|investors|mission)\b|\bwe at [A-Z]",
)
_NO_NAMES = frozenset({"the", "this", "our", "us", "you", "your", "role", "team", "job", "company", "we", "it", "a"})
_EMPLOYERS = (
    re.compile(
        r"\b((?:[A-Z][\w\u2019'-]+ (?:& )?){0,2}[A-Z][\w&\u2019'-]+),? (?:Ltd|Limited|GmbH|Inc|plc|LLC|AG|Corp)\b"
    ),
    re.compile(r"@ ?((?-i:[A-Za-z][\w-]{2,}))\.(?:example|com|org|net|de|co|io)\b"),
    re.compile(r"^(?:About|\u00dcber) ([A-Z][\w-]+)\s*$", re.MULTILINE),
    re.compile(r" @ ([A-Z][\w-]+)"),
)


def names_trait(text: str) -> bool:
    """Whether a criterion judges a person instead of an answer."""
    return _TRAITS.search(text) is not None


def asks_protected(text: str) -> bool:
    """Whether it asks the candidate about age, family, health, origin or religion."""
    return _PROTECTED.search(text) is not None


def employers_in(posting: str) -> frozenset[str]:
    """Names that the posting gives its employer, as far as their form tells them apart."""
    found = {name.strip() for pattern in _EMPLOYERS for name in pattern.findall(posting)}
    return frozenset(name for name in found if name.lower() not in _NO_NAMES and len(name) > 2)


def claims_about(text: str, employers: Iterable[str]) -> bool:
    """Whether a text speaks for the employer ("our customers"), or names it."""
    named = any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) for name in employers)
    return named or _COMPANY_CLAIM.search(text) is not None


_LEAKS = re.compile(
    r"</?(?:think|thinking|thought|reasoning|scratchpad|analysis|reflection|plan)\b[^>]*>|\{\{\$?\w+\}\}|<<|>>"
    r"|coverage_plan|output_contract|question_count|level_reminder|\bas an ai\b|language model, i|```|\bsystem prompt\b"
    r"|^(?:step \d|let me think|first, i will|okay, (?:so|let))",
    re.IGNORECASE,
)


def leak_in(text: str, prompt: str, posting: str) -> str | None:
    """What a text shows of reasoning, a placeholder, or eight words in a row of the prompt; else None.

    What the posting says too is quoted from there.
    """
    if found := next((part for part in _LEAKS.findall(text) if part.lower() not in posting.lower()), None):
        return str(found)
    return next(iter(sorted((_runs(text) & _runs(prompt)) - _runs(posting))), None)


@lru_cache(maxsize=4096)
def _runs(text: str) -> frozenset[str]:
    words = utils.default_process(text).split()
    return frozenset(" ".join(words[at : at + COPIED_WORDS]) for at in range(len(words) - COPIED_WORDS + 1))


def restates(follow_up: str, question: str) -> bool:
    """Whether a follow-up asks the question again, or a part of it in its words."""
    return is_asked_in(follow_up, [question]) or (len(follow_up.split()) >= 6 and is_form_of(follow_up, [question]))


_COMMON = frozenset(
    {
        *("about", "above", "after", "again", "against", "agree", "already", "alone", "among", "another", "answer"),
        *("anybody", "anyone", "around", "asked", "because", "become", "before", "begin", "being", "below", "between"),
        *("bring", "called", "cannot", "change", "clear", "could", "different", "doing", "during", "either", "enough"),
        *("every", "everybody", "everyone", "everything", "exact", "first", "found", "given", "gives", "happen"),
        *("count", "counted", "counts", "keeps", "minute", "minutes", "notice", "notices", "number", "numbers"),
        *("offer", "offers", "figure", "figures", "practice", "result", "results", "second", "today", "works"),
        *(
            "happened",
            "having",
            "instead",
            "itself",
            "least",
            "leave",
            "length",
            "likely",
            "looking",
            "makes",
            "matter",
        ),
        *("might", "moment", "needed", "needs", "never", "nobody", "nothing", "often", "other", "others", "people"),
        *("person", "place", "point", "question", "rather", "really", "reason", "seems", "several", "shall", "should"),
        *("since", "single", "somebody", "someone", "something", "still", "takes", "tells", "their", "themselves"),
        *("there", "these", "thing", "things", "think", "those", "three", "through", "times", "today", "together"),
        *("towards", "twice", "under", "until", "usual", "wanted", "where", "whether", "which", "while", "whole"),
        *("whose", "within", "without", "words", "working", "worth", "would", "wrong", "yours", "yourself"),
    }
)


def shared_terms(hint: str, criteria: Iterable[str], known: str) -> frozenset[str]:
    """The key terms of the criteria that a hint gives away.

    A key term is a word of at least five letters that stands in a criterion, is no everyday word, and is not `known`,
    that is, given by the question itself. Endings do not count.
    """
    return (_terms(hint) & _terms(" ".join(criteria))) - _terms(known)


@lru_cache(maxsize=4096)
def _terms(text: str) -> frozenset[str]:
    words = re.findall(r"[a-z\u00df-\u00ff]{5,}", text.lower())
    return frozenset(_stem(word) for word in words) - _common_stems()


@cache
def _common_stems() -> frozenset[str]:
    return frozenset(_stem(word) for word in _COMMON)


def _stem(word: str) -> str:
    return re.sub(r"(?:ing|ed|es|s|ly|e)$", "", word) if len(word) > 5 else word.removesuffix("s")


_MIN_QUOTE = 3


def is_specific(step: str, posting: str, level: str) -> bool:
    """Whether a step of preparation names the level or something of the posting.

    Of the posting: a quote, three words in a row, or the name of a tool.
    """
    quoted = re.findall(r"[\"\u201c\u201e]([^\"\u201c\u201d]{4,})[\"\u201c\u201d]", step)
    if re.search(rf"\b{level}\b", step, re.IGNORECASE) or any(verbatim(part, posting) for part in quoted):
        return True
    words, text = utils.default_process(step).split(), f" {' '.join(utils.default_process(posting).split())} "
    runs = (words[at : at + _MIN_QUOTE] for at in range(len(words) - _MIN_QUOTE + 1))
    if any(f" {' '.join(run)} " in text and any(len(word) > 4 for word in run) for run in runs):
        return True
    return any(word in _proper_words(posting) for word in re.findall(r"[\w+#./-]+", step)[1:])


@lru_cache(maxsize=64)
def _proper_words(posting: str) -> frozenset[str]:
    """Names of tools, laws and the like: words with a capital or a digit inside a line, not at its beginning."""
    found = re.findall(r"(?<=[a-z,(/] )[A-Z][\w+#/-]*[\w+#]", posting)
    return frozenset(word for word in found if word.lower() not in _NO_NAMES)
