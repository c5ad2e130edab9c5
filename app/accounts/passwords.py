"""Passwords: which are accepted, and how they are kept.

Length is what counts (OWASP ASVS 5.0, 6.2): any characters, no rules of composition, nothing that is guessed first.
They are compared as RFC 8265's OpaqueString has it, so that one typed on another keyboard is the same.
"""

import asyncio
import re
import unicodedata

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.core.plain_text import unstorable

MIN_CHARACTERS, MAX_CHARACTERS = 12, 128
LONGEST_INPUT = 1_000
"""Of a password or code as it is sent; what it may have is looked at once it is normalised."""
NAME_CHARACTERS = 4
"""Of an address's local part, from which on a password must not contain it."""
CONCURRENT_HASHES = 4
"""Each takes 64 MiB of memory."""

SERVICE = "greenroom"

GUESSED_FIRST = (
    # The beginnings of the usual lists, as far as they reach twelve characters with a few more behind.
    *("password", "passwort", "contrasena", "motdepasse", "letmein", "welcome", "iloveyou", "qwerty", "qwertz"),
    *(
        "azerty",
        "1q2w3e4r",
        "1qaz2wsx",
        "zaq12wsx",
        "asdfgh",
        "zxcvbn",
        "admin",
        "administrator",
        "trustno",
        "sunshine",
    ),
    *("princess", "football", "baseball", "superman", "monkey", "dragon", "abc123", "changeme", "secret"),
)
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz" * 2,
    "0123456789" * 13,
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
)
_REPEATED = re.compile(r"(.{1,6}?)\1+.{0,2}", re.DOTALL)
_REST = re.compile(r"[\W\d_]*")


def normalised_password(password: str) -> str:
    """As RFC 8265's OpaqueString profile prepares it: every space is the plain one, and letters are composed (NFC)."""
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)


def password_weakness(password: str, *, email: str) -> str | None:
    """What is wrong with a new password, as a sentence; None if nothing is."""
    plain = normalised_password(password)
    if not MIN_CHARACTERS <= len(plain) <= MAX_CHARACTERS:
        return f"Use {MIN_CHARACTERS} to {MAX_CHARACTERS} characters; several words with spaces are fine."
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in plain):
        return "Leave out control characters."
    folded = plain.casefold()
    name = email.partition("@")[0].casefold()
    if SERVICE in folded or (len(name) >= NAME_CHARACTERS and name in folded):
        return "Leave out your address and the name of this service."
    if _is_guessed_first(folded):
        return "This is one of the passwords that are guessed first."
    return None


def _is_guessed_first(folded: str) -> bool:
    if _REPEATED.fullmatch(folded) or any(folded in run or folded in run[::-1] for run in _RUNS):
        return True
    # "password1234", "welcome2024!!", "12345password".
    return any(known in folded and _REST.fullmatch(folded.replace(known, "")) for known in GUESSED_FIRST)


class PasswordHasher:
    """argon2id off the event loop, and only so many at a time as there is memory for."""

    def __init__(self, argon2: Argon2Hasher | None = None, *, concurrent_hashes: int = CONCURRENT_HASHES) -> None:
        """Without `argon2` its authors' parameters (RFC 9106's second choice: 64 MiB, three passes, four lanes)."""
        self._hash = PasswordHash((argon2 or Argon2Hasher(),))
        self._room = asyncio.Semaphore(concurrent_hashes)
        # Made now: the first who asks for an account that there is not must not wait longer than the others.
        self._nobody = self._hash.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The password as it is kept."""
        async with self._room:
            return await asyncio.to_thread(self._hash.hash, normalised_password(password))

    async def verify(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        """Whether it is the password; and how to keep it from now on, where the parameters have changed.

        Without a kept one the same work is done for nothing: the time does not tell whether there is an account. So it
        is for what is no password at all; to normalise a long text would hold everybody up.
        """
        if len(password) > LONGEST_INPUT or unstorable(password):
            password, kept = "", None
        async with self._room:
            is_right, renewed = await asyncio.to_thread(
                self._hash.verify_and_update, normalised_password(password), kept or self._nobody
            )
        return (is_right, renewed) if kept is not None else (False, None)
