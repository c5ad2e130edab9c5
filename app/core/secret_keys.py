"""Which keys are worth signing with: a guess at how random a text is, which only has to notice the careless ones."""

import math
from collections import Counter

MAKE_SECRET = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'  # noqa: S105 - a command

MIN_CHARACTERS = 32
MIN_BITS = 80
"""By the frequencies of its characters: 32 random hexadecimal digits come to 110 or so, `abcabc…` to 50."""

WELL_KNOWN = (
    # The key of FastAPI's tutorial, which many have copied.
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "changeme",
    "changethis",
    "replacethis",
    "defaultsecret",
    "insecure",
    "yoursecret",
    "mysecret",
    "supersecret",
    "secretkey",
    "password",
    "greenroom",
)


def secret_weakness(key: str) -> str | None:
    """What is wrong with the key, as the end of a sentence that begins with "this key"; None if nothing is seen."""
    if len(key) < MIN_CHARACTERS:
        return f"has fewer than {MIN_CHARACTERS} characters"
    plain = "".join(filter(str.isalnum, key.lower()))
    if any(known in plain for known in WELL_KNOWN):
        return "is or contains a well-known one"
    if key in (key + key)[1:-1] or _bits(key) < MIN_BITS:
        return "repeats itself"
    return None


def _bits(text: str) -> float:
    """Shannon's entropy of the frequencies, times the length."""
    counts = Counter(text).values()
    return -sum(count * math.log2(count / len(text)) for count in counts)
