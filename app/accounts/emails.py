"""E-mail addresses: one spelling for each, so that no variant is another account or escapes a limit."""

import unicodedata
from contextlib import suppress

from email_validator import EmailNotValidError, validate_email

from app.core.plain_text import unstorable

LONGEST_ADDRESS = 320
"""64 signs before the @ and 255 behind it, as the column has them."""


def normalised_email(text: str) -> str:
    """The address in lower case and without spaces around it; what is no address comes back just as tidy.

    What nobody can have as an address is the empty text: to normalise a long one would take long.
    """
    if len(text) > LONGEST_ADDRESS or unstorable(text):
        return ""
    plain = unicodedata.normalize("NFKC", text).strip()
    # Somebody may sign in with what is no address: that has to fail like any other that is not known.
    with suppress(EmailNotValidError):
        plain = validate_email(plain, check_deliverability=False).normalized
    return plain.lower()


def mailing_address(email: str) -> str:
    """The address as every mail server takes it, with its domain in ASCII.

    Raises:
        ValueError: it is no address.
    """
    checked = validate_email(email, check_deliverability=False)
    return f"{checked.local_part}@{checked.ascii_domain}"


def is_mailable(email: str) -> bool:
    """Whether every mail server can deliver to the address; of what stands before the @, few take more than ASCII."""
    return normalised_email(email).rpartition("@")[0].isascii()
