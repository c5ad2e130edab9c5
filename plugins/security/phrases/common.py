"""What the phrase tables share: the row type, the gap between words and the nouns for instructions.

Patterns are written folded (lower case, no accents, straight quotes, single spaces) and repeat only within bounds, so
that the work on a text grows linearly with its length.
"""

Rows = tuple[tuple[float, str], ...]
"""Weight and pattern. A weight of 1.0 refuses alone; lighter ones must stand near each other."""

NOT_NEGATED = r"(?<!not )(?<!never )(?<!n't )(?<!without )(?<!nicht )(?<!cannot )"

INSTRUCTION = (
    r"(?:in?st?ru?ctions?|directives?|directions|system prompts?|prompts?|rules?|guide ?lines?|guidance|guardrails?|"
    r"orders?|commands?|programming|training|safeguards?|restrictions?|system messages?|policies|assignments?|tasks)"
)


def gap(words: int) -> str:
    """Up to so many words in between, none of which makes the target somebody else's."""
    return rf"(?:[ ,:]{{1,2}}(?!(?:its|their|his|her|my|our|not|and|or)\b)[\w'-]{{1,24}}){{0,{words}}}?[ ,:]{{1,2}}"
