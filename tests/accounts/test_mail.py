"""E-mail over TLS and not otherwise, to addresses that any mail server takes."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.accounts.emails import mailing_address
from app.accounts.mail import Mailer
from app.core.mail_server import MailServer
from tests.accounts.certificates import self_signed
from tests.accounts.conftest import ServeAccounts
from tests.accounts.mail_server import MailBox, mail_server
from tests.accounts.people import ANN, PASSWORD, register
from tests.chat.client import named_fields, problem_of

HOST = "127.1"
"""Leads here, but does not say so: for the service it is a host somewhere in the network."""


def secured(scheme: str, folder: Path, host: str = HOST) -> AbstractAsyncContextManager[MailBox]:
    """A mail server that demands TLS: from the first byte (`smtps`) or by STARTTLS."""
    _, context = self_signed(folder, host)
    return mail_server(context, is_tls_from_the_start=scheme == "smtps")


async def sent(url: str, *, to: str = ANN) -> list[dict[str, object]]:
    """Send an e-mail by this server and return what the log says."""
    mailer = Mailer(MailServer.of(url), sender="Greenroom <hello@example.com>")
    with capture_logs() as logs:
        await mailer.send(to=to, subject="Hello", text="The code is X.")
    return [dict(line) for line in logs]


@pytest.fixture(params=["smtp", "smtps"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_mail_goes_encrypted_to_a_server_whose_certificate_is_trusted(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an authority of the operator's own, which `SSL_CERT_FILE` names."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / f"{HOST}.pem"))
    async with secured(scheme, tmp_path) as box:
        assert await sent(f"{scheme}://me:secret@{HOST}:{box.port}") == []
    (message,) = box.messages
    assert message["To"] == ANN
    assert box.logins == [(b"me", b"secret")]
    assert box.encrypted == [True]


@pytest.mark.parametrize(
    ("host", "is_trusted", "reason"),
    [(HOST, False, "self-signed certificate"), ("mail.example.com", True, "certificate is not valid for '127.1'")],
    ids=["of nobody we trust", "for another host"],
)
async def test_a_server_that_may_be_another_gets_nothing_and_the_log_says_why(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, host: str, is_trusted: bool, reason: str
) -> None:
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / f"{host}.pem"))
    async with secured(scheme, tmp_path, host) as box:
        (line,) = await sent(f"{scheme}://me:secret@{HOST}:{box.port}")
    assert (line["event"], line["log_level"], line["host"]) == ("mail_server_failed", "warning", HOST)
    assert reason in str(line["reason"])
    assert (box.messages, box.logins, box.senders) == ([], [], [])
    assert not [secret for secret in ("secret", ANN) if secret in str(line)]


async def test_a_server_without_encryption_gets_nothing_over_a_network() -> None:
    async with mail_server() as box:
        (line,) = await sent(f"smtp://me:secret@{HOST}:{box.port}")
    assert line["event"] == "mail_server_failed"
    assert "STARTTLS" in str(line["reason"])
    assert (box.messages, box.logins, box.senders) == ([], [], [])


@pytest.mark.parametrize(
    ("url", "start_tls"),
    [
        ("smtp://mail.example.com", True),
        ("smtp://me:secret@192.0.2.1", True),
        ("smtp://me:secret@localhost", None),
        ("smtp://[::1]:25", None),
        ("smtps://mail.example.com", False),
    ],
)
def test_encryption_is_required_but_on_this_machine(url: str, start_tls: object) -> None:
    assert MailServer.of(url).start_tls is start_tls


async def test_a_domain_is_sent_in_ascii() -> None:
    async with mail_server() as box:
        assert await sent(f"smtp://127.0.0.1:{box.port}", to="ann@bücher.example.com") == []
    (message,) = box.messages
    assert message["To"] == mailing_address("ann@bücher.example.com") == "ann@xn--bcher-kva.example.com"


async def test_an_address_that_few_servers_deliver_to_cannot_be_registered(serve_accounts: ServeAccounts) -> None:
    async with serve_accounts() as client:
        refused = await register(client, "jürgen@example.com", PASSWORD)
        taken = await register(client, "\uff41nn@bücher.example.com", PASSWORD)
    problem = problem_of(refused, status=422, code="validation_error")
    assert named_fields(problem) == {"email"}
    assert "ASCII before the @" in problem["errors"][0]["message"]
    assert (taken.status_code, taken.json()["email"]) == (201, "ann@bücher.example.com")
