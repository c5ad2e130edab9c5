"""Where e-mail is handed in, read from one address."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

DEFAULT_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class MailServer:
    """A mail server and how to sign in there."""

    host: str
    port: int
    is_tls: bool
    """Encrypted from the first byte (`smtps`); else as soon as the server offers it."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """Read `smtp://user:password@host:port` or `smtps://…`.

        Raises:
            ValueError: it is neither.
        """
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path not in {"", "/"}:
            raise ValueError("not the address of a mail server")
        return cls(
            host=parts.hostname,
            port=parts.port or DEFAULT_PORTS[parts.scheme],
            is_tls=parts.scheme == "smtps",
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )
