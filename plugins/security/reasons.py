"""Why a text was refused or a passage taken out, and what the person who sent it can do about it."""

from enum import StrEnum


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
    MARKUP = "markup"
    UNCHECKED = "unchecked"

    @property
    def advice(self) -> str:
        """One sentence for the person who sent the text: what is wrong and what to do about it."""
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
    Reason.MARKUP: "The text contains scripts, comments or parts that a reader would not see: please paste only what "
    "is shown.",
    Reason.UNCHECKED: "The text could not be checked: please write it differently.",
}
