"""Sending e-mail."""

from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib
import structlog

from app.accounts.emails import mailing_address
from app.core.mail_server import MailServer

TIMEOUT_SECONDS = 10
FAILURES = (aiosmtplib.SMTPException, OSError, ValueError)

logger = structlog.get_logger(__name__)


class Mailer:
    """Hands messages to the mail server."""

    def __init__(self, server: MailServer, *, sender: str) -> None:
        self._server = server
        self._sender = sender

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Send it. A failure is logged, without the address, and nothing else: nobody waits for it."""
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.user,
            password=self._server.password,
            use_tls=self._server.is_tls,
            start_tls=self._server.start_tls,
            timeout=TIMEOUT_SECONDS,
        )
        try:
            await client.connect()
        except FAILURES as error:
            # The server has been told of no recipient yet: the text says what is wrong with it or its certificate.
            logger.warning("mail_server_failed", host=self._server.host, error=type(error).__name__, reason=str(error))
            return
        try:
            async with client:
                await client.send_message(self._message(to=to, subject=subject, text=text))
        except FAILURES as error:
            # Its text names the recipient.
            logger.warning("mail_failed", host=self._server.host, error=type(error).__name__)

    def _message(self, *, to: str, subject: str, text: str) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"], message["Subject"] = self._sender, mailing_address(to), subject
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message
