"""Advice that rests on the set, the posting and the resume at hand, where a general line would not help anybody."""

import re
from collections.abc import Callable
from typing import Any

from app.bank.posting import Posting
from app.providers.offline.answers import last_discussed, no_such_question
from app.providers.offline.conversation import Conversation, CurrentSet
from app.providers.offline.filtering import hardness
from app.providers.offline.job import Workshop
from app.providers.offline.manners import NO_VERDICT
from app.providers.offline.phrasing import listed
from app.providers.offline.wishes import positions_in

MAX_LINES = 3
LINE_CHARACTERS = 160

_FROM_RESUME = re.compile(
    r"\b(?:from|with|using|use|based on|out of|look at|aus)\b.{0,12}\b(?:my|the|meinem) (?:cv"
    r"|r[\u00e9e]sum[\u00e9e]|lebenslauf|profile)\b"
    r"|\bwhat (?:in|on|from) my (?:cv|r[\u00e9e]sum[\u00e9e])\b",
    re.IGNORECASE,
)
_NO_EXAMPLE = re.compile(
    r"\b(?:i (?:have|'ve got|\u2019ve got|can't think of|cannot think of|do(?:n't|n\u2019t| not) have|never had)"
    r"(?: (?:no|an?|any|such|a good))* (?:examples?|stor(?:y|ies)|experience(?: with (?:this|that|it))?)"
    r"|never (?:done|did|been in) (?:this|that|it|such|anything))",
    re.IGNORECASE,
)
_EMPLOYER = re.compile(
    r"\bwhat (?:does|do|will|would|did) (?!you\b|i\b|we\b)(.{2,40}?) (?:usually|typically|normally|generally"
    r"|really|actually|probably)? ?ask\b"
    r"|\bwhat are (.{2,40}?)'s (?:usual|typical) questions\b|\bhow does (.{2,40}?) (?:usually )?interview\b",
    re.IGNORECASE,
)
_VERDICT = re.compile(
    r"\bwill i (?:get|land|pass)\b|\bmy (?:chances|odds)\b|\bwould (?:you|they) hire me\b|\bam i good enough\b"
    r"|\bdo you think i(?:'?ll| will) (?:get|pass)\b",
    re.IGNORECASE,
)
_PANIC = re.compile(
    r"\b(?:panick?(?:ing|ed)?|freaking out|so (?:nervous|anxious|scared)|terrified|overwhelmed|can't sleep)\b"
    r"(?!.*\bquestions?\b)",
    re.IGNORECASE,
)
_SCORE = re.compile(
    r"\b(?:that|the|this|your|my) (?:score|rating|grade|mark|assessment|verdict|feedback) (?:is|was|seems|looks)? ?"
    r"(?:wrong|unfair|too low|too high|not fair|nonsense|off)\b|\bi (?:do not|don't"
    r"|disagree with) (?:agree with )?(?:the|that|your) (?:score|rating|feedback)",
    re.IGNORECASE,
)
_NEW_POSTING = re.compile(
    r"^\W*(?:i have |i've got |here(?:'s| is) |there(?:'s| is) |got )?(?:an? |the |my )?(?:new|another"
    r"|different|other) "
    r"(?:job (?:description|ad|advert|posting)|posting|vacancy|ad|advert)\b.{0,30}$",
    re.IGNORECASE,
)

Counsel = Callable[[Workshop, Conversation, CurrentSet, int], str]


def counsel(workshop: Workshop, conversation: Conversation) -> str | None:
    """The advice that a message asks for, or None. The set stays as it is."""
    current = conversation.own_set
    if current is None or len(conversation.message) > 400:
        return None
    give = next((give for words, give in _COUNSEL if words.search(conversation.message)), None)
    if give is None:
        return None
    named = positions_in(conversation.message, len(current.questions))
    if named and named[-1] > len(current.questions):
        return no_such_question(len(current.questions))
    return give(workshop, conversation, current, named[0] if named else last_discussed(conversation) or 1)


def _from_resume(workshop: Workshop, conversation: Conversation, current: CurrentSet, position: int) -> str:
    question = current.question(position)
    outline = f"> {question.get('sample_framework') or '___'}"
    if not conversation.resume.strip():
        return (
            f"There is no CV in this conversation, so I put nothing of yours into the answer. Paste it, and I point to "
            f"the lines that fit. **Question {position}**, the outline with blanks:\n\n{outline}"
        )
    lines = _fitting_lines(workshop, conversation.resume, question, current.interview_type)
    if not lines:
        return (
            f"**Question {position}**: I find no line in your CV on {_subject(question)}, so every blank stays for you "
            f"to fill:\n\n{outline}\n\nNearest honest way in: say what you have not done, and how you would "
            f"go about it."
        )
    quoted = "\n".join(f'- "{line}"' for line in lines)
    return (
        f"**Question {position}**: what your CV says that bears on it, word for word:\n\n{quoted}\n\nThe outline; put "
        f"these facts where they belong, and leave out of it what you cannot back up:\n\n{outline}"
    )


def _fitting_lines(workshop: Workshop, resume: str, question: dict[str, Any], interview_type: str) -> list[str]:
    """The lines of a resume that name a skill of the question, or its subject."""
    text = str(question.get("text", ""))
    source = workshop.source(interview_type, text)
    named = {mention.skill for mention in workshop.skills.find(f"{text}\n{question.get('requirement') or ''}")}
    skills = named | set(source.skills if source else ())
    stems = [word[: max(len(word) - 2, 4)] for word in str(question.get("category") or "").split("_") if len(word) > 3]
    lines = [line.text for line in Posting(resume).lines if not re.search(r"@|\+?\d[\d ()-]{8,}\d", line.text)]
    found = [line for line in lines if skills & {mention.skill for mention in workshop.skills.find(line)}]
    found += [line for line in lines if line not in found and any(stem in line.lower() for stem in stems)]
    return [line[:LINE_CHARACTERS] for line in found[:MAX_LINES]]


def _no_example(_workshop: Workshop, _conversation: Conversation, current: CurrentSet, position: int) -> str:
    question = current.question(position)
    first_step = (question.get("hints") or ["Say what you would look at first."])[-1]
    return (
        f"**Question {position}**: take the nearest thing you have done on {_subject(question)}, at a smaller scale: a "
        f'course, a hobby, another job. If there is nothing, say so plainly: "I have not done this yet. I would begin '
        f'with ___, because ___, and ask ___." To close the gap today: {first_step}'
    )


def _employer(_workshop: Workshop, conversation: Conversation, current: CurrentSet, _position: int) -> str:
    quoted = [str(question["requirement"]) for question in current.questions if question.get("requirement")]
    named = listed([f'"{fragment}"' for fragment in dict.fromkeys(quoted)][:MAX_LINES])
    basis = (
        f"What the posting asks for is the best guess: {named}."
        if named
        else "There is only a guess from the role: the topics of this set are usual for it."
        if conversation.posting
        else "Without a posting there is only a guess from the role, which is what this set is."
    )
    return f"What this employer asks is not known here, and I do not invent its process. {basis}"


def _verdict(_workshop: Workshop, _conversation: Conversation, current: CurrentSet, _position: int) -> str:
    place = max(range(1, len(current.questions) + 1), key=lambda one: hardness(current.question(one)))
    text = current.question(place)["text"]
    return f"{NO_VERDICT} The next drill: **question {place}**, aloud, with the clock on: {text}"


def _panic(_workshop: Workshop, _conversation: Conversation, current: CurrentSet, _position: int) -> str:
    place = min(range(1, len(current.questions) + 1), key=lambda one: hardness(current.question(one)))
    return (
        f"That is a lot at once, and one small step is enough for tonight: **question {place}**. Say only your first "
        f"sentence aloud: {current.question(place)['text']}\n\nThen lay out what you need for tomorrow, and rest. "
        "If it is more than nerves, please call somebody you trust, or a local crisis line."
    )


def _score(_workshop: Workshop, _conversation: Conversation, current: CurrentSet, position: int) -> str:
    criteria = "\n".join(f"- {item}" for item in current.question(position).get("evaluation_criteria") or [])
    return (
        f"I gave no score: to judge an answer takes a language model, and none is connected. For **question "
        f"{position}** "
        f"these are the points to tick off; name the sentence of your answer that meets each:\n\n{criteria}"
    )


def _new_posting(_workshop: Workshop, _conversation: Conversation, current: CurrentSet, _position: int) -> str:
    return (
        "Paste the new posting as the job description, and I make questions for it. "
        f"Until then the {len(current.questions)} at hand stay as they are."
    )


def _subject(question: dict[str, Any]) -> str:
    return str(question.get("category") or "the subject").replace("_", " ")


_COUNSEL: tuple[tuple[re.Pattern[str], Counsel], ...] = (
    (_FROM_RESUME, _from_resume),
    (_NO_EXAMPLE, _no_example),
    (_EMPLOYER, _employer),
    (_VERDICT, _verdict),
    (_PANIC, _panic),
    (_SCORE, _score),
    (_NEW_POSTING, _new_posting),
)
