"""The table of signals: what gives an attack away, which reason it speaks for and how much it weighs.

Adding a signal is adding one row to a table under `phrases`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from plugins.security.phrases.common import Rows
from plugins.security.phrases.conduct import ADDRESSED_TO_AI, OUTPUT_FORCING, ROLE_ESCAPE
from plugins.security.phrases.elsewhere import OVERRIDE_ELSEWHERE
from plugins.security.phrases.extraction import EXTRACTION
from plugins.security.phrases.markers import FORGERY_LINES, LETTERS
from plugins.security.phrases.override import ENGLISH_OVERRIDE


class Reason(StrEnum):
    """Why a text scored. The value is stable: it is stored, logged and sent to clients."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    INSTRUCTION_OVERRIDE = "instruction_override"
    PROMPT_EXTRACTION = "prompt_extraction"
    ROLE_ESCAPE = "role_escape"
    DELIMITER_FORGERY = "delimiter_forgery"
    HIDDEN_CHARACTERS = "hidden_characters"
    ENCODED_PAYLOAD = "encoded_payload"
    ADDRESSED_TO_AI = "addressed_to_ai"
    OUTPUT_FORCING = "output_forcing"

    @property
    def advice(self) -> str:
        """One sentence for the person who wrote the text: what is wrong and what to do about it."""
        return _ADVICE[self]


_ADVICE = {
    Reason.EMPTY: "The text is empty: please write a message.",
    Reason.TOO_LONG: "The text is too long: please shorten it or send it in parts.",
    Reason.INSTRUCTION_OVERRIDE: "The text tells the assistant to drop its instructions: please say what you want to "
    "practise instead.",
    Reason.PROMPT_EXTRACTION: "The text asks for the assistant's own instructions, which it does not share: please ask "
    "about your interview.",
    Reason.ROLE_ESCAPE: "The text asks the assistant to act without its rules: an interviewer's style or character is "
    "fine, so please describe that.",
    Reason.DELIMITER_FORGERY: "The text contains markers that imitate the system's own messages: please remove them or "
    "describe them in words.",
    Reason.HIDDEN_CHARACTERS: "The text contains hidden characters: please paste it as plain text.",
    Reason.ENCODED_PAYLOAD: "The text hides instructions in an encoding: please write it in plain words.",
    Reason.ADDRESSED_TO_AI: "The text contains a note that instructs AI systems: please remove that note.",
    Reason.OUTPUT_FORCING: "The text dictates the assistant's answer word for word: please ask a question instead.",
}


@dataclass(frozen=True)
class Signal:
    """A pattern and what it is worth.

    `on_lines` matches the text with its line breaks and case, for forged message markers; everything else matches
    folded words. `on_letters` matches text whose word breaks are lost.
    """

    reason: Reason
    weight: float
    pattern: re.Pattern[str]
    on_lines: bool = False
    on_letters: bool = False


_IN_WORDS: tuple[tuple[Reason, Rows], ...] = (
    (Reason.INSTRUCTION_OVERRIDE, ENGLISH_OVERRIDE),
    (Reason.INSTRUCTION_OVERRIDE, OVERRIDE_ELSEWHERE),
    (Reason.PROMPT_EXTRACTION, EXTRACTION),
    (Reason.ROLE_ESCAPE, ROLE_ESCAPE),
    (Reason.OUTPUT_FORCING, OUTPUT_FORCING),
    (Reason.ADDRESSED_TO_AI, ADDRESSED_TO_AI),
)

SIGNALS: tuple[Signal, ...] = (
    *(Signal(reason, weight, re.compile(row)) for reason, rows in _IN_WORDS for weight, row in rows),
    *(
        Signal(Reason.DELIMITER_FORGERY, weight, re.compile(row, re.IGNORECASE), on_lines=True)
        for weight, row in FORGERY_LINES
    ),
    *(Signal(Reason.INSTRUCTION_OVERRIDE, weight, re.compile(row), on_letters=True) for weight, row in LETTERS),
)
