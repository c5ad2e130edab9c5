"""How long a text is for a model, without asking one: an estimate, for budgets and for providers that send no usage."""

import re

CHARACTERS_PER_TOKEN = 4
"""The usual rule of thumb for English. Other scripts take up to a token for each character."""

_BEYOND_LATIN = re.compile("[^\u0000-\u024f]+")


def estimated_tokens(text: str) -> int:
    """Roughly how many tokens the text is; for scripts other than Latin rather too many than too few."""
    # Whole prompts are measured for every call, and a loop over their characters took most of that time.
    plain = len(text) if text.isascii() else len(_BEYOND_LATIN.sub("", text))
    return plain // CHARACTERS_PER_TOKEN + len(text) - plain


def most_tokens(byte_count: int) -> int:
    """As many tokens as a text of so many UTF-8 bytes can be: an upper bound, where `estimated_tokens` is a guess.

    Measured with OpenAI's cl100k encoding: prose takes 4.4 bytes a token, Chinese 2.9, Greek 1.9, Base64 1.4, and
    Chinese characters drawn at random, the worst found, 1.27.
    """
    return -(-byte_count * 4 // 5)


def cut_to_tokens(text: str, limit: int) -> str:
    """The beginning of the text that fits, which ends with "[…]" when something was left out."""
    if estimated_tokens(text) <= limit:
        return text
    length = min(len(text), max(limit, 0) * CHARACTERS_PER_TOKEN)
    while length and estimated_tokens(text[:length]) > limit:
        length -= max(length // 8, 1)
    return f"{text[:length]}\n[…]"
