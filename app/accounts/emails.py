"""E-mail addresses: one spelling for each, so that no variant is another account or escapes a limit."""

import unicodedata
from contextlib import suppress

from email_validator import EmailNotValidError, validate_email


def normalised_email(text: str) -> str:
    """The address in lower case and without spaces around it; what is no address comes back just as tidy."""
    plain = unicodedata.normalize("NFKC", text).strip()
    # Somebody may sign in with what is no address: that has to fail like any other that is not known.
    with suppress(EmailNotValidError):
        plain = validate_email(plain, check_deliverability=False).normalized
    return plain.lower()
