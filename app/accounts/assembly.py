"""Everything of accounts, put together from the settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.accounts.administration import Administration
from app.accounts.audit import AuditLog
from app.accounts.external import ExternalSignIn
from app.accounts.google import GoogleSignIn
from app.accounts.keys import KeyRing
from app.accounts.mail import Mailer
from app.accounts.models import LOCAL_USER_ID
from app.accounts.passwords import PasswordHasher
from app.accounts.profile import ProfileService
from app.accounts.reset import PasswordReset
from app.accounts.service import AccountService, CancelWork, Collaborators
from app.accounts.sessions import Sessions
from app.accounts.throttle import Throttle
from app.accounts.tokens import AccessTokens, Caller
from app.core.background import Background
from app.core.clock import utc_now
from app.core.config import AuthMode, Settings
from app.core.database import Database
from app.core.errors import AccountsOff, GoogleOff, MailOff
from app.core.mail_server import MailServer


@dataclass(frozen=True)
class SignIns:
    """What there is only where people sign in."""

    accounts: AccountService
    sessions: Sessions
    reset: PasswordReset | None
    external: ExternalSignIn | None
    background: Background


class Accounts:
    """Who calls, and what they may do about their account; in local mode one person and nothing."""

    def __init__(self, settings: Settings, database: Database, sign_ins: SignIns | None) -> None:
        self.profiles = ProfileService(database, settings.auth_mode)
        self._sign_ins = sign_ins

    async def caller(self, token: str | None) -> Caller:
        """Who calls with this access token.

        Raises:
            Unauthorized: nobody who is signed in. Not in local mode.
        """
        if self._sign_ins is None:
            return Caller(LOCAL_USER_ID)
        return await self._sign_ins.sessions.caller(token)

    async def check(self, caller: Caller) -> None:
        """Look whether the caller is still signed in.

        Raises:
            Unauthorized: their sign-in has ended. Not in local mode.
        """
        if self._sign_ins is not None:
            await self._sign_ins.sessions.check(caller)

    @property
    def sign_ins(self) -> SignIns:
        """What people do with their accounts.

        Raises:
            AccountsOff: in local mode.
        """
        if self._sign_ins is None:
            raise AccountsOff("Accounts are off: AUTH_MODE=local")
        return self._sign_ins

    @property
    def reset(self) -> PasswordReset:
        """Forgotten passwords.

        Raises:
            AccountsOff, MailOff: not here.
        """
        if (found := self.sign_ins.reset) is None:
            raise MailOff("E-mail is off: SMTP_URL is not set")
        return found

    @property
    def external(self) -> ExternalSignIn:
        """Sign-in with Google.

        Raises:
            AccountsOff, GoogleOff: not here.
        """
        if (found := self.sign_ins.external) is None:
            raise GoogleOff("Sign-in with Google is off: GOOGLE_CLIENT_ID is not set")
        return found

    async def stop(self) -> None:
        """Wait for e-mails on their way."""
        if self._sign_ins is not None:
            await self._sign_ins.background.drain()


def open_accounts(
    settings: Settings,
    database: Database,
    *,
    cancel_work: Sequence[CancelWork],
    passwords: PasswordHasher | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Accounts:
    """Accounts as the settings want them. `cancel_work` stops what runs for a user who is about to be deleted."""
    if settings.auth_mode is AuthMode.LOCAL:
        return Accounts(settings, database, None)
    keys = KeyRing.of(settings)
    using = _collaborators(settings, database, keys, passwords=passwords, now=now)
    background = Background()
    sign_ins = SignIns(
        accounts=AccountService(using, cancel_work=cancel_work),
        sessions=using.sessions,
        reset=_reset(settings, using, keys, background),
        external=_external(settings, using, keys),
        background=background,
    )
    return Accounts(settings, database, sign_ins)


def open_administration(settings: Settings, database: Database, *, cancel_work: CancelWork) -> Administration:
    """Accounts from the operator's side; `cancel_work` as above. Needs `SECRET_KEY`."""
    return Administration(_collaborators(settings, database, KeyRing.of(settings)), cancel_work=cancel_work)


def _collaborators(
    settings: Settings,
    database: Database,
    keys: KeyRing,
    *,
    passwords: PasswordHasher | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Collaborators:
    audit = AuditLog(database, now=now)
    access_tokens = AccessTokens(keys, minutes=settings.access_token_minutes, now=now)
    return Collaborators(
        database=database,
        passwords=passwords or PasswordHasher(),
        sessions=Sessions(database, access_tokens, audit, days=settings.refresh_token_days, now=now),
        throttle=Throttle(database, keys, now=now),
        audit=audit,
        registration=settings.registration,
        now=now,
    )


def _reset(settings: Settings, using: Collaborators, keys: KeyRing, background: Background) -> PasswordReset | None:
    if settings.smtp_url is None:
        return None
    mailer = Mailer(MailServer.of(settings.smtp_url.get_secret_value()), sender=settings.mail_from or "")
    return PasswordReset(using, keys, mailer, background)


def _external(settings: Settings, using: Collaborators, keys: KeyRing) -> ExternalSignIn | None:
    if settings.google_client_id is None or settings.google_client_secret is None or settings.public_url is None:
        return None
    provider = GoogleSignIn(
        keys,
        client_id=settings.google_client_id,
        client_secret=settings.google_client_secret.get_secret_value(),
        discovery_url=settings.google_discovery_url,
        public_url=settings.public_url,
        now=using.now,
    )
    return ExternalSignIn(using, provider)
