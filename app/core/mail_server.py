"""Where e-mail is handed in, read from one address."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from app.core.hosts import is_loopback

DEFAULT_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class MailServer:
    """A mail server and how to sign in there."""

    host: str
    port: int
    is_tls: bool
    """Encrypted from the first byte (`smtps`); else see `start_tls`."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def start_tls(self) -> bool | None:
        """Whether encryption begins with STARTTLS: always over a network, and on this machine (None) if it is offered.

        A message holds a code that opens an account, also where no password is sent before it.
        """
        if self.is_tls:
            return False
        return None if is_loopback(self.host) else True

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
