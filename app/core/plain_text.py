"""What a text must not hold, whoever sends it."""


def unstorable(text: str) -> str | None:
    """What keeps a text from being stored, or None.

    PostgreSQL cannot store NUL, nothing can store half a surrogate pair, and no text a person typed holds either.
    """
    if "\x00" in text:
        return "must not contain the NUL character"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "must not contain half a surrogate pair"
    return None
