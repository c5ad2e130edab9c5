"""Sending e-mail."""

from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib
import structlog

from app.core.mail_server import MailServer

TIMEOUT_SECONDS = 10

logger = structlog.get_logger(__name__)


class Mailer:
    """Hands messages to the mail server."""

    def __init__(self, server: MailServer, *, sender: str) -> None:
        self._server = server
        self._sender = sender

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Send it. A failure is logged, without the address, and nothing else: nobody waits for it."""
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"], message["Subject"] = self._sender, to, subject
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        try:
            await aiosmtplib.send(
                message,
                hostname=self._server.host,
                port=self._server.port,
                username=self._server.user,
                password=self._server.password,
                use_tls=self._server.is_tls,
                start_tls=self._server.start_tls,
                timeout=TIMEOUT_SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # Its text names the recipient.
            logger.warning("mail_failed", error=type(error).__name__)
