"""Short replies to what is not a wish for questions: greetings, thanks, and what the service does not do."""

import re

_LANGUAGE = (
    r"(?:german|french|spanish|italian|portuguese|chinese|mandarin|japanese|korean|hindi|dutch|polish|arabic|turkish"
    r"|russian|swedish)"
)
_CRISIS = re.compile(
    r"(?:kill|harm|hurt) myself|i(?:'?m| am| feel) suicidal|end my life|don'?t want to live", re.IGNORECASE
)
IN_A_CRISIS = (
    "I am sorry it is this hard. Please talk to somebody now: your local emergency number or a crisis line. "
    "No interview matters more than that."
)
NO_VERDICT = "I give no verdicts on hiring chances, and no odds."

_BOUNDARIES: tuple[tuple[str, str], ...] = (
    (
        (
            r"(?:system|hidden|secret|initial|your) (?:prompt|instructions|rules)|ignore (?:all |any "
            r"|the |your |previous |prior )+(?:\w+ )?(?:instructions|rules|prompts)"
        ),
        "My instructions are not part of the practice. Tell me which interview you have, or which question to work on.",
    ),
    (
        (
            r"(?:feed|give|tell|whisper) me (?:the )?answers? (?:live|during|while)"
            r"|(?:help|answers?|cheat\w*)\b.{0,40}\bduring (?:the|my|a) (?:live|real|actual) (?:interview|test|exam)"
            r"|while i'?m in the interview|take the (?:test|interview) for me"
        ),
        "I do not help during a live interview or test. I do help before it: name a question to practise.",
    ),
    (
        (
            r"will i (?:get|land) (?:the|this|that) (?:job|offer)|my (?:chances|odds)|would (?:you"
            r"|they) hire me|do you think i(?:'?ll| will) (?:get|pass)"
        ),
        f"{NO_VERDICT} What helps is the next step: take the question you fear most and say an answer aloud.",
    ),
    (
        r"\b(?:panick?(?:ing|ed)|freaking out|so (?:nervous|anxious|scared)|overwhelmed)\b(?!.*\bquestions?\b)",
        (
            "That is a lot at once. One small step for today: pick one question, say your first "
            "sentence aloud, and stop there. "
            "Tell me which kind of interview it is and I will pick an easy one."
        ),
    ),
    (
        (
            rf"^\W*(?:(?:please|now|and|always|can (?:i|we) (?:have|get)|(?:ask|give|show)(?: me)?|(?:do|say|put)"
            rf"|the|them|it|this|these|questions?|all|everything|from now on|bitte|immer)\W+)*"
            rf"(?:auf deutsch|in {_LANGUAGE})\b.{{0,25}}$"
            rf"|\btranslat\w+ (?:it|this|that|these|them|the|all|everything|into|to|questions?)\b"
            rf"|\b(?:switch|change) to {_LANGUAGE}\b"
        ),
        (
            "That I cannot do: the built-in bank is written in English, and to translate it takes a language model, "
            "which is not connected. Nothing has changed."
        ),
    ),
    (
        r"i have no (?:example|story|experience with (?:this|that))",
        (
            "Then take the nearest story: same kind of problem, smaller scale. Or say so plainly and "
            "tell what you would do first, and why."
        ),
    ),
)

_OFF_TOPIC = re.compile(
    r"\b(?:poem|haiku|joke|recipe|weather|lyrics|song|horoscope|bedtime story|football|soccer|lottery|movie"
    r"|capital of|homework|essay|novel)\b|stock (?:price|tips)|who won|bitcoin price",
    re.IGNORECASE,
)
BACK_TO_PRACTICE = (
    "That is outside of what I do. Back to practice: which interview is coming up, or which question shall we work on?"
)

_PLEASANTRIES: tuple[tuple[str, str], ...] = (
    (
        r"^\W*(?:many )?(?:thanks?(?: you)?|thx|cheers|ta|danke|gracias|merci)\b.{0,40}$",
        (
            "You are welcome. Whenever you like: make one harder, swap one, ask for a hint, or "
            "switch to another kind of interview."
        ),
    ),
    (
        (
            r"^\W*(?:ok(?:ay)?|great|cool|perfect|nice|got it|awesome|good(?! (?:morning|afternoon|evening|day))|super"
            r"|fine|bye|goodbye|see you|good night)\b.{0,25}$"
        ),
        "Good. Say the number of a question for a hint or an outline, or tell me what to change.",
    ),
)

_GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|hiya|yo|hallo|hola|bonjour|good (?:morning|afternoon|evening|day))\b[\w ,'\u2019]{0,25}\W*$",
    re.IGNORECASE,
)
_PREPARATION = re.compile(
    (
        r"\b(?:interview\w*|practi[cs]\w*|prepar\w*|prep|questions?|job|role|position|hir(?:e|ed"
        r"|ing)|applicat\w*|applied|apply\w*|career|vacanc\w*"
        r"|recruiter|employer|company|round|screening|mock|engineer\w*|manager|developer|analyst"
        r"|nurse|teacher|designer)\b"
    ),
    re.IGNORECASE,
)

ASK_FOR_INTERVIEW = (
    "Hello! Which interview is coming up, and for which job? Paste the posting if you have it. I can prepare {kinds}."
)


def is_crisis(message: str) -> bool:
    """Whether somebody may be in danger; a job that deals with it, such as suicide prevention, is not meant."""
    return _CRISIS.search(message) is not None


def boundary(message: str) -> str | None:
    """The one line for what the service does not do; None for anything else.

    A football club may be the employer: a subject is off the topic only where nothing speaks of preparing.
    """
    if _OFF_TOPIC.search(message) and not wants_preparation(message):
        return BACK_TO_PRACTICE
    return next((reply for words, reply in _COMPILED_BOUNDARIES if words.search(message)), None)


def pleasantry(message: str) -> str | None:
    """The reply to thanks and the like; None where the message holds more."""
    return next((reply for words, reply in _COMPILED_PLEASANTRIES if words.search(message)), None)


def is_greeting(message: str) -> bool:
    """Whether the message is a greeting and nothing else."""
    return _GREETING.search(message) is not None and not wants_preparation(message)


def wants_preparation(message: str) -> bool:
    """Whether a message speaks of an interview, a job or practice at all."""
    return _PREPARATION.search(message) is not None


def ask_for_interview(types: list[str]) -> str:
    """What to say to somebody who has not said what they prepare for."""
    names = [name.replace("_", " ") for name in types]
    kinds = ", ".join(names[:-1]) + (" and " if names[:-1] else "") + "".join(names[-1:])
    return ASK_FOR_INTERVIEW.format(kinds=f"{kinds} questions")


_COMPILED_BOUNDARIES = tuple((re.compile(words, re.IGNORECASE), reply) for words, reply in _BOUNDARIES)
_COMPILED_PLEASANTRIES = tuple((re.compile(words, re.IGNORECASE), reply) for words, reply in _PLEASANTRIES)
