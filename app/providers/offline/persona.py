"""How an interviewer's manner colours follow-up questions. It never changes criteria, difficulty or facts."""

import re
from collections.abc import Sequence

_MANNERS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(words, re.IGNORECASE), openings)
    for words, openings in (
        (
            r"strict|tough|demanding|stern|harsh",
            ("Be exact.", "I am not convinced yet.", "One more thing, and briefly."),
        ),
        (r"scepti|skepti|critical|doubt|devil", ("I doubt that.", "Suppose I disagree.", "Convince me.")),
        (
            r"friendly|support|warm|kind|encourag|relaxed",
            ("Take your time.", "That helps. Let us go one step on.", "Out of interest:"),
        ),
        (r"hurried|busy|impatient|brief|direct|blunt", ("In one sentence:", "Quickly:", "Short answer, please.")),
        (
            r"detail|precise|meticulous|analytic",
            ("Let us go into the detail.", "Please give me the figure.", "Step by step:"),
        ),
        (r"curious|inquisitive", ("I wonder:", "Help me understand.", "What surprised me:")),
        (r"formal|corporate", ("For the record:", "Permit me to ask.", "Finally:")),
    )
)
MAX_SPOKEN_WORDS = 45
"""Of a question with what opens it."""

_OF_A_LISTENER = ("If the reply stays vague:", "If there is time:", "Before you leave:")

_HOUSES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(words, re.IGNORECASE), follow_up)
    for words, follow_up in (
        (r"start-?up|scale-?up", "You have half the people and half the time: what do you leave out?"),
        (r"fintech|bank|insur|financ", "An auditor asks about this in a year: what can you show?"),
        (r"enterprise|corporat|large", "Three other departments depend on it: whom do you involve, and when?"),
        (
            r"public|government|council|charity|non-?profit",
            "The decision may be questioned in public: how do you justify it?",
        ),
        (r"consult|agency", "The client wants the answer tomorrow: what do you say with what you know?"),
        (r"health|hospital|medical", "Somebody could be harmed if you are wrong: what do you check first?"),
    )
)


_VOICES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(words, re.IGNORECASE), leads)
    for words, leads in (
        (r"strict|tough|demanding|stern|harsh", ("Be precise.", "I want specifics.", "No preamble, please.")),
        (r"scepti|skepti|critical|doubt|devil", ("I have my doubts here.", "Persuade me.", "Prove it to me.")),
        (
            r"friendly|support|warm|kind|encourag|relaxed",
            ("Take your time with this.", "No trick in this one.", "I would love to hear this."),
        ),
        (r"hurried|busy|impatient|brief|direct|blunt", ("Briefly:", "Quickly now:", "In a few words:")),
        (r"detail|precise|meticulous|analytic", ("In detail, please.", "One step at a time.", "With figures, please.")),
        (r"curious|inquisitive", ("I am curious.", "Here is one I like.", "I keep wondering.")),
        (r"formal|corporate", ("If I may ask:", "Kindly consider this.", "My next question is this.")),
    )
)
_NEUTRAL = ("Let us begin here.", "Next question.", "Let us turn to this.")
_CLOSING = "One last question."
_LEADS = (*(lead for _, leads in _VOICES for lead in leads), *_NEUTRAL, _CLOSING)


def in_voice(text: str, interviewer: Sequence[str], place: int, *, is_last: bool) -> str:
    """A question as this interviewer opens it; the question itself stays word for word. `place` counts from 0."""
    said = " ".join(interviewer)
    leads = next((leads for words, leads in _VOICES if words.search(said)), None)
    if leads is None:
        lead = _CLOSING if is_last and place else _NEUTRAL[0 if place == 0 else 1 + (place + 1) % 2]
    else:
        lead = leads[place % len(leads)]
    spoken = f"{lead} {plain_voice(text)}"
    return spoken if len(spoken.split()) <= MAX_SPOKEN_WORDS else text


def plain_voice(text: str) -> str:
    """A question without the words that an interviewer opens it with."""
    return next((text[len(lead) :].lstrip() for lead in _LEADS if text.startswith(f"{lead} ")), text)


def has_manner(interviewer: Sequence[str]) -> bool:
    """Whether anything about the interviewer is known that colours a question."""
    said = " ".join(interviewer)
    return any(words.search(said) for words, _ in (*_MANNERS, *_HOUSES))


def coloured(follow_ups: Sequence[str], interviewer: Sequence[str], *, is_reverse: bool) -> tuple[str, ...]:
    """The follow-ups as this interviewer would put them; a reverse interview gets only how to ask."""
    if not interviewer:
        return tuple(follow_ups)
    said = " ".join(interviewer)
    manner = next((openings for words, openings in _MANNERS if words.search(said)), ())
    openings = _OF_A_LISTENER if is_reverse and manner else manner
    house = None if is_reverse else next((follow_up for words, follow_up in _HOUSES if words.search(said)), None)
    kept = (*follow_ups[:2], house) if house else tuple(follow_ups)
    return tuple(
        f"{openings[index]} {follow_up}" if index < len(openings) else follow_up for index, follow_up in enumerate(kept)
    )
