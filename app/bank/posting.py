"""A job description as the offline engine reads it: lines with weights, and verbatim fragments of a length to quote."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

MAX_FRAGMENT_CHARACTERS = 160
LIST_CHARACTERS = 70
"""A fragment longer than this may hold a list, of which one item is enough to quote."""

TERSE_CHARACTERS = 700
MAX_NUMBERED_HEADING_WORDS = 4
WHOLE_LINE_CHARACTERS = 110
"""A line up to this length is quoted whole; of a longer one, the sentence."""

REQUIREMENT_WEIGHT, ORDINARY_WEIGHT, TITLE_WEIGHT, ASIDE_WEIGHT = 3, 2, 1, 0
"""What a line says about the job: asked for, told, the title, and company talk or benefits."""

_REQUIREMENTS = re.compile(
    (
        r"require|qualif|you.?ll (?:do|need|own|bring)|you will|what you|looking for|look for"
        r"|must[- ]have|nice to have|about you"
        r"|responsib|dut(?:y|ies)|skills|experience|the (?:role|job|work)|role summary|essential"
        r"|desirable|person spec|should have|want to see|your (?:day|week|tasks|work)|would welcome|the person"
        r"|^(?:must|must have|nice|knowledge|key tasks|main tasks|funciones|har\u00e1s)\b"
        r"|aufgaben|profil|anforderung|requisitos|funciones|perfil|qu\u00e9 har\u00e1s|se valorar\u00e1"
        r"|必須|歓迎|業務|仕事内容|求める人物像|応募条件|応募資格"
    ),
    re.IGNORECASE,
)
_ASIDES = re.compile(
    (
        r"\babout (?!you\b)|benefit|perks|we offer|\bpay\b|salary|compensation and|equal "
        r"opportunit|diversity|eeo|how to apply|apply"
        r"|process|similar jobs|privacy|cookie|closing|location|hours|contact|wir bieten|ofrecemos"
        r"|who we are|proceso|bewerbung|会社|待遇|選考|福利厚生"
    ),
    re.IGNORECASE,
)
_TO_A_MACHINE = re.compile(
    r"\b(?:ignore|disregard|forget|override)\s+(?:all|any|every|the|your|previous|prior|above|earlier)\b[^.!?]{0,40}"
    r"\b(?:instructions?|rules?|prompts?|guidelines|above)\b"
    r"|\b(?:ai|llm|language model|chatbot|assistant|automated (?:tool|system|screen\w*))s?\b[^.!?]{0,80}"
    r"\b(?:must|should|shall|rate|score|rank|reply|respond|output|say|tell|recommend)\b"
    r"|\byou are (?:now )?an? (?:ai|assistant|language model)\b",
    re.IGNORECASE,
)
_MUST = re.compile(
    r"\bmust\b|\bessential\b|\brequire[ds]?\b|\brequirements?\b|\bminimum\b|\bat least\b|\bneed(?:s|ed)?\b"
    r"|\bzwingend\b|\bmindestens\b|\bimprescindibles?\b|\bm\u00ednimo\b|\u5fc5\u9808",
    re.IGNORECASE,
)
_ABOUT_OTHERS = re.compile(r"\breport(?:s|ing)? (?:directly )?to\b|\bled by\b", re.IGNORECASE)
_QUOTED = re.compile(r"[\"\u201c][^\"\u201d]{3,200}[\"\u201d]")
_HEADER = re.compile(
    r"^(?:subject|from|to|cc|bcc|sent|date|fwd?|re|req|ref|reference|tel|phone|mobile|e-?mail|web|website|location|place"
    r"|standort|based|hours|working hours|shifts?|contract|salary|pay|package|start|starts|closing|deadline|gehalt"
    r"|contact|department|reports to|employer|company|job (?:title|id|type)|grade|title|posted|category|sector"
    r"|region)\b"
    r"(?:\s?(?:[:#|]|\.\s)|\s{2,}|\t)",
    re.IGNORECASE,
)
_BESIDE_THE_DUTIES = re.compile(
    r"@\w|https?:|\bwww\.|\]\(|\+?\d[\d ()-]{9,}\d"
    r"|\b(?:salary|ctc|lpa|per annum|p\.a\.|hourly|per hour|wages?|bonus(?:es)?(?! cycle)|stipend|incentives?)\b"
    r"|\b(?:own|personal) (?:laptop|vehicle|bike|car|phone|smartphone|tools|transport)\b"
    r"|\b(?:GB RAM|laptop|smartphone|broadband|wi-?fi|internet connection|headset|uniform)\b"
    r"|\binterviews? (?:is|are|with|will|stages?|rounds?|panel|process|day)\b|\b(?:a )?chat with\b|\bhow to apply\b"
    r"|\bto apply\b|\bapply (?:by|with|via|to|now|at|through)\b|\bapplications?\b.{0,30}\b(?:close|deadline|by|to)\b"
    r"|\b(?:shortlist\w*|interviewed|cv|r\u00e9sum\u00e9|cover letter)\b"
    r"|\b(?:we offer|benefits|perks|pension|annual leave|holidays?|insurance|401|free (?:lunch|parking|meals?))\b"
    r"|\btraining (?:will be|is) (?:given|provided)|\bfull training\b|\btraining agreement\b"
    r"|^please\b|\bthank(?:s| you) for\b|\bon site \w+ days\b"
    r"|\b(?:Inc|Ltd|LLC|GmbH|plc|Corp)\b\.?|\bequal opportunit|\bwithout regard\b|\bprivacy\b|\bcookies?\b",
    re.IGNORECASE,
)
_EMPLOYER_TALK = re.compile(
    r"^(?:we|our|us|the company|founded|join us|who we are|why us|unsere?|wir|somos|nuestr[oa]s?|atendemos)\b"
    r"(?! (?:need|want|expect|require|are looking|look for|would like|ask|suchen|erwarten)\b)"
    r"|\bwish(?:es)? to appoint\b|\b(?:seit|since|founded in) \d{4}\b|^\u682a\u5f0f\u4f1a\u793e",
    re.IGNORECASE,
)
_NOT_ASKED = re.compile(
    r"\b(?:do(?:es)? not|don.?t|doesn.?t|no) (?:need|have to|require)\b"
    r"|\bno [\w ]{2,30} (?:needed|required|necessary)\b"
    r"|\bnot (?:needed|required|necessary)\b|\bnicht (?:n\u00f6tig|erforderlich)\b|\bno hace falta\b"
    r"|\b(?:last|previous|former|current) \w+(?:'s)? (?:left|resigned|retired|retiring|quit)\b|\bover-hired\b"
    r"|\bnobody knows\b|\bof (?:them|us) (?:think|thinks|have|use)\b|\b(?:have|has) private\b",
    re.IGNORECASE,
)
_DUTY = re.compile(
    r"\byou(?:'|\u2019)?ll\b|\byou (?:will|have|can|own|lead|know|bring|must|should|need|would|are able|manage|work"
    r"|write|build|run|make|take|help|design|plan|report|support)\b|\bmust\b|\bshould (?:be|have)\b|\bability\b"
    r"|\bable to\b|\bexperienced?\b|\bresponsib\w+|\bskills?\b|\bknowledge\b|\brequired\b|\bessential\b"
    r"|\bdesirable\b|\bproven\b|\bwilling\w*|\bcomfortable\b|\bconfident\b|\bproficien\w+|\bfamiliar\w*"
    r"|\bwe (?:need|want|expect|require|are looking)\b|\blooking for\b|\byears of\b|\bthe (?:successful )?candidate\b"
    r"|\byou(?:'|\u2019)(?:re|ve|d)\b|\bportfolio needs\b|\bharás\b|\bcapacidad\b|\bmanejo\b|\bformación\b|\bsie\b"
    r"|\byou are (?:\w+ ){1,3}(?:in|with|at)\b|\bpost ?holder\b"
    r"|\bwill (?:be|prepare|lead|manage|work|own|support|report)\b",
    re.IGNORECASE,
)
_DUTY_FIRST = re.compile(
    r"^(?:(?:to|and|daily|weekly|also) )?(?:achiev|act|administ|advis|agre|analy[sz]|assess|assist|audit|build|buil"
    r"|champion|check|clean|clos|coach|collaborat|communicat|complet|conduct|contribut|coordinat|co-ordinat|creat|debug|defin|deliver|deploy"
    r"|design|develop|diagnos|document|draft|driv|ensur|escalat|establish|evaluat|explain|facilitat|fix|follow|forecast"
    r"|gather|grow|guid|handl|help|hir|identif|implement|improv|influenc|inspect|install|introduc|investigat|keep|launch"
    r"|lead|led|learn|liais|listen|maintain|mak|manag|mentor|monitor|motivat|negotiat|operat|optimi[sz]|organi[sz]|overs"
    r"|own|pair|participat|partner|perform|persuad|plan|prepar|present|priorit|process|produc|promot|provid|push|reconcil"
    r"|answer|braz|brief|bring|challeng|connect|count|cut|deal|defend|dial|discuss|encourag|file|find|help|imparti|know|llev"
    r"|log|model|moderat|mov|prompt|read|record|redesign|registr|scop|sourc|steam|talk|trat|tratar|valor|valorar|weld|wire"
    r"|put|spend|hire|recruit|repair|report|research|resolv|review|run|runn|schedul|sell|serv|set|shap|ship|supervis|support|tak|teach|test"
    r"|track|train|translat|troubleshoot|tun|turn|us|verif|work|writ)(?:e|es|s|ing|y|ies|ying|ning|ting)?\b",
    re.IGNORECASE,
)
_BROKEN_OFF = re.compile(r"\b(?:of|and|or|the|an?|with|to|for|in|by|from)$|^(?:and|or|but|which|that|who)\b|^#")
_MIN_DUTY_WORDS = 3
_UNSPACED = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_MIN_UNSPACED = 6
_HEADING_MARKS = frozenset("\u25a0\u25c6\u25bc\u3010\u00bf")
_TAG = (
    r"</?(?:a|b|body|br|code|div|em|h[1-6]|html|i|li|ol|p|span|strong|table|td|tr|u|ul)\b[^<>]*>"
    r"|&(?:bull|nbsp|#8226|#160);"
)
_MARKUP = rf"{_TAG}|&(?:#\d+|amp|copy|euro|gt|lt|mdash|ndash|pound|quot);"
_BULLET = re.compile(
    rf"^(?:(?:{_MARKUP}|[^\w\"'\u201c\u2018(€$£¥#.<&])+|\d{{1,2}}(?:[.)]|\.\d{{1,2}}[.)]?)\s+|\([a-z\d]{{1,2}}\)\s+)"
)
_NUMBER = re.compile(r"^\d")
_LAST_MARKUP = re.compile(rf"(?:\s|{_MARKUP})+$")
_SENTENCE_END = re.compile(rf"[.!?;](?=\s)|[。\uff1b]|\s[•·|](?=\s)|{_TAG}|\t")
_ITEM_END = re.compile(rf"[,;:](?=\s)|{_SENTENCE_END.pattern}")
_CLAUSE_END = re.compile(r"[,:\u2013\u2014()、](?=\s|$)|\s(?=\()|(?<=\))\s|、")


@dataclass(frozen=True)
class Line:
    """A line of the posting without its bullet; `text` stands at `start`."""

    start: int
    text: str
    weight: int
    is_heading: bool = False
    is_item: bool = False
    is_must: bool = False
    """Whether it, or the heading above it, says that nobody is taken without it."""

    @property
    def end(self) -> int:
        """Where the line ends in the posting."""
        return self.start + len(self.text)


class Posting:
    """A job description. Everything it returns is a true substring of `text`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __bool__(self) -> bool:
        return bool(self.text.strip())

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The lines that hold something, without those that speak to a machine instead of a person."""
        lines = tuple(self._read_lines())
        if any(line.weight == REQUIREMENT_WEIGHT for line in lines):
            return lines
        # Without a heading above it, a list is the list of requirements.
        return tuple(
            replace(line, weight=REQUIREMENT_WEIGHT) if line.is_item and line.weight == ORDINARY_WEIGHT else line
            for line in lines
        )

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """Those of the first lines that are short enough for a job title."""
        return tuple(line.text for line in self.lines[:12] if len(line.text) <= 120)

    @property
    def opening(self) -> str:
        """Where a job title stands: the first short lines, or the beginning of a text that has none."""
        return "\n".join(self.titles) or self.text[:200]

    @cached_property
    def has_sections(self) -> bool:
        """Whether a heading or bullets tell what is asked for from what is told."""
        return any(line.weight == REQUIREMENT_WEIGHT for line in self.lines)

    @cached_property
    def is_terse(self) -> bool:
        """Whether it is a few sentences without headings or bullets, in which nearly everything is asked for."""
        marked = sum(line.is_heading or line.is_item for line in self.lines)
        return len(self.text) <= TERSE_CHARACTERS and marked <= 1

    def line_at(self, start: int) -> Line | None:
        """The line that covers this place, or None where there is none to quote."""
        index = bisect_right(self.lines, start, key=lambda line: line.start) - 1
        return self.lines[index] if index >= 0 and start < self.lines[index].end else None

    def fragment(self, start: int, end: int) -> str | None:
        """The line, sentence or clause around a place, short enough to quote; None in a line that is left out."""
        line = self.line_at(start)
        if line is None or end > line.end:
            return None
        low, high = start - line.start, end - line.start
        if len(line.text) <= WHOLE_LINE_CHARACTERS and not re.search(_TAG, line.text):
            return _trimmed(line.text)
        left, right = _around(line.text, _SENTENCE_END, low, high)
        if right - left <= MAX_FRAGMENT_CHARACTERS:
            return _trimmed(line.text[left:right])
        return _trimmed(_clauses_around(line.text, low, high))

    def narrow_fragment(self, start: int, end: int) -> str | None:
        """The item of a list in running text where that says something alone, else the `fragment`."""
        whole = self.fragment(start, end)
        line = self.line_at(start)
        if whole is None or line is None or len(whole) <= LIST_CHARACTERS:
            return whole
        left, right = _around(line.text, _ITEM_END, start - line.start, end - line.start)
        item = _trimmed(line.text[left:right])
        return item if item and item in whole and _says_enough(item) and is_whole(item) else whole

    def _read_lines(self) -> Iterator[Line]:
        weight, position, is_first, is_must = ORDINARY_WEIGHT, 0, True, False
        for raw in self.text.splitlines(keepends=True):
            body = raw.strip()
            bullet = _BULLET.match(body)
            offset = position + raw.index(body) + (bullet.end() if bullet else 0) if body else position
            text = _LAST_MARKUP.sub("", body[bullet.end() :] if bullet else body)
            position += len(raw)
            if not text or _TO_A_MACHINE.search(_QUOTED.sub("", text)):
                continue
            is_item = bullet is not None and "<" not in bullet.group()
            may_head = not is_item or (
                (_NUMBER.match(body) is not None and len(text.split()) <= MAX_NUMBERED_HEADING_WORDS)
                or body[0] in _HEADING_MARKS
            )
            section = _section_weight(text) if may_head and _is_heading(text) else None
            if section is not None:
                weight, is_must = section, _MUST.search(text) is not None
            is_title = is_first and len(text) <= 120
            own = TITLE_WEIGHT if is_title else ASIDE_WEIGHT if _ABOUT_OTHERS.search(text) else weight
            is_own_must = is_must or _MUST.search(text) is not None
            yield Line(offset, text, own, is_heading=section is not None, is_item=is_item, is_must=is_own_must)
            is_first = False


@lru_cache(maxsize=256)
def is_beside_the_duties(line: str, fragment: str) -> bool:
    """Whether a fragment of a line is a header, a contact, or about pay, equipment, benefits, history or others.

    Remembered, because every skill and every theme of a fragment asks again.
    """
    return any(words.search(fragment) for words in (_BESIDE_THE_DUTIES, _EMPLOYER_TALK, _NOT_ASKED)) or _is_header(line)


@lru_cache(maxsize=16)
def _is_header(line: str) -> bool:
    return _HEADER.search(line) is not None


def reads_like_a_duty(line: Line, fragment: str, *, is_terse: bool = False) -> bool:
    """Whether a fragment says what somebody is to do or to bring. In doubt it does not, except in a terse posting."""
    if line.is_heading or not _says_enough(fragment) or is_beside_the_duties(line.text, fragment):
        return False
    if is_terse:
        return is_whole(fragment) and line.weight != TITLE_WEIGHT
    starts_something = (line.is_item and line.text.startswith(fragment)) or not fragment[0].islower()
    if not starts_something or not is_whole(fragment):
        return False
    is_alone = line.is_item or len(line.text) <= WHOLE_LINE_CHARACTERS
    is_listed = is_alone and line.weight == REQUIREMENT_WEIGHT and line.text.startswith(fragment)
    return is_listed or speaks_of_duties(fragment)


def speaks_of_duties(sentence: str) -> bool:
    """Whether a sentence has the words of a duty or a requirement: "you will", "experience", or a verb in front."""
    return bool(_DUTY.search(sentence) or _DUTY_FIRST.search(sentence))


def is_whole(fragment: str) -> bool:
    """Whether no bracket of the fragment stands alone and it does not break off in the middle of a phrase."""
    is_closed = not set("()") & set(re.sub(r"\([^()]*\)", "", fragment))
    return is_closed and _BROKEN_OFF.search(fragment) is None


def _says_enough(fragment: str) -> bool:
    """Three words, or as much in a script that sets no spaces between them."""
    return len(fragment.split()) >= _MIN_DUTY_WORDS or len(_UNSPACED.findall(fragment)) >= _MIN_UNSPACED


def _is_heading(text: str) -> bool:
    return len(text) <= 60 and len(text.split()) <= 7 and text[-1] not in ".,;!" and ": " not in text


def _section_weight(heading: str) -> int | None:
    """What the section under this heading weighs; None for a short line that opens no section."""
    if _REQUIREMENTS.search(heading):
        return REQUIREMENT_WEIGHT
    return ASIDE_WEIGHT if _ASIDES.search(heading) else None


@lru_cache(maxsize=16)
def _cuts(text: str, boundary: re.Pattern[str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where the boundaries of a line start and end.

    Looked for once: a line of thousands of words without a full stop is asked about at every skill that it names.
    """
    found = [match.span() for match in boundary.finditer(text)]
    return tuple(start for start, _ in found), tuple(end for _, end in found)


def _around(text: str, boundary: re.Pattern[str], low: int, high: int) -> tuple[int, int]:
    starts, ends = _cuts(text, boundary)
    before, after = bisect_right(ends, low) - 1, bisect_left(starts, high)
    left = ends[before] if before >= 0 else 0
    if boundary.fullmatch(text, max(low - 1, 0), low):
        # A bracket or comma right before the place, with no space in between.
        left = low
    return left, starts[after] if after < len(starts) else len(text)


def _clauses_around(text: str, low: int, high: int) -> str:
    """The clause around the place, grown by whole clauses to the right, then to the left, while it stays short."""
    left, right = _around(text, _CLAUSE_END, low, high)
    starts, _ = _cuts(text, _CLAUSE_END)
    for cut in starts[bisect_left(starts, right + 1) :]:
        if cut - left > MAX_FRAGMENT_CHARACTERS:
            break
        right = cut
    if right - left <= MAX_FRAGMENT_CHARACTERS:
        return text[left:right]
    left = max(low - 60, left)
    right = min(left + MAX_FRAGMENT_CHARACTERS, right)
    left = left if left == 0 or text[left - 1].isspace() else max(text.find(" ", left, low), left)
    inner = text.rfind(" ", high, right)
    return text[left : inner if inner > high and right < len(text) else right]


def _trimmed(text: str) -> str | None:
    stripped = text.strip().rstrip(".,;:•·|").rstrip().lstrip(",;:•·|)").lstrip()
    return stripped[:MAX_FRAGMENT_CHARACTERS] or None
