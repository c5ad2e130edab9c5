"""A real SMTP server on loopback that keeps what it is given."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope


class MailBox:
    """What has arrived."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.encrypted: list[bool] = []
        """Of each message, whether it came over TLS."""
        self.logins: list[tuple[bytes, bytes]] = []
        self.senders: list[str] = []
        self.port = 0
        self.refuses = False
        self._arrived = asyncio.Condition()

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.senders.append(address)
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuses:
            return f"550 no such mailbox: {envelope.rcpt_tos}"
        assert isinstance(envelope.content, bytes)
        async with self._arrived:
            self.messages.append(message_from_bytes(envelope.content, policy=default))
            assert server.transport is not None
            self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
            self._arrived.notify_all()
        return "250 OK"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=True)

    async def message(self, number: int = 1) -> Message:
        """The message with this number, once it is there."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.messages) >= number)
        return self.messages[number - 1]

    async def code(self, number: int = 1) -> str:
        """The code in that message."""
        text = str((await self.message(number)).get_payload(decode=False))
        return text.split("The code is ")[1].split(".", maxsplit=1)[0]


@asynccontextmanager
async def mail_server(
    tls: ssl.SSLContext | None = None, *, is_tls_from_the_start: bool = False
) -> AsyncIterator[MailBox]:
    """Serve; with `tls` nothing is taken in the clear, and else all is."""
    box = MailBox()
    starts_later = tls if not is_tls_from_the_start else None

    def protocol() -> SMTP:
        return SMTP(
            box,
            hostname="mail.example",
            authenticator=box.authenticate,
            auth_require_tls=False,
            tls_context=starts_later,
            require_starttls=starts_later is not None,
        )

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=tls if is_tls_from_the_start else None
    )
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()
