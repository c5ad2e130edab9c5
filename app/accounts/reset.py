"""A forgotten password: a code by e-mail, once, for ten minutes, with five tries."""

import hmac
import secrets
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts import repository
from app.accounts.emails import normalised_email
from app.accounts.keys import KeyRing
from app.accounts.mail import Mailer
from app.accounts.models import AuditKind, ResetCode, User
from app.accounts.service import Collaborators, check_password
from app.accounts.throttle import Action, Attempt
from app.core.background import Background
from app.core.errors import Unauthorized

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: no letter that is read as a digit. Ten of them are fifty bits."""
CODE_CHARACTERS, GROUP_CHARACTERS = 10, 5
LIFETIME = timedelta(minutes=10)
TRIES = 5

SUBJECT = "Your Greenroom code"
TEXT = """Somebody, you we hope, wants to set a new Greenroom password for this address.

The code is {code}. It works once, within ten minutes.

If it was not you, do nothing: your password stays as it is.
"""


class PasswordReset:
    """Sends codes and takes them."""

    def __init__(self, using: Collaborators, keys: KeyRing, mailer: Mailer, background: Background) -> None:
        self._using = using
        self._keys = keys
        self._mailer = mailer
        self._background = background

    async def request(self, email: str, *, client_address: str | None) -> None:
        """Send a code, if there is an account; that is looked up after the answer, so that nobody learns of it.

        Raises:
            RateLimited: too many of these.
        """
        email = normalised_email(email)
        await self._using.throttle.take(Attempt(Action.RESET_REQUEST, email, client_address))
        self._background.start(self._send_code(email, client_address), name="password-reset")

    async def confirm(self, email: str, code: str, new_password: str, *, client_address: str | None) -> None:
        """Set the new password. Every sign-in of the user ends, and the address is known to be theirs.

        Raises:
            InvalidRequest: the new password is not accepted.
            Unauthorized: the code is wrong, used or too old, or there is no such account.
            RateLimited: too many of these.
        """
        email = normalised_email(email)
        check_password(new_password, email=email, field="new_password")
        attempt = Attempt(Action.RESET_CONFIRM, email, client_address)
        await self._using.throttle.take(attempt)
        # Hashed whether the code is right or not, which the time therefore does not tell.
        password_hash = await self._using.passwords.hash(new_password)
        async with self._using.database.transaction() as session:
            found = await repository.user_by_email(session, email)
            user = await repository.held_user(session, found.id) if found else None
            if user is not None and await self._is_code(session, user, code):
                user.password_hash = password_hash
                user.email_verified_at = user.email_verified_at or self._using.now()
                await repository.end_families(session, user.id)
                await self._using.throttle.succeeded(session, attempt)
                await self._using.throttle.forget_account(session, email)
                self._using.audit.add(
                    session, AuditKind.PASSWORD_CHANGED, user_id=user.id, client_address=client_address, by="code"
                )
                return
            self._using.audit.add(
                session,
                AuditKind.RESET_FAILED,
                user_id=user.id if user else None,
                client_address=client_address,
            )
        # Outside, so that the try is counted.
        raise Unauthorized("The code is wrong, used or too old. Ask for another one.")

    async def _is_code(self, session: AsyncSession, user: User, code: str) -> bool:
        """Whether it is the user's code; it is used up if so, and else has one try less."""
        kept = await repository.reset_code(session, user.id)
        if kept is None:
            return False
        is_usable = kept.tries_left > 0 and kept.expires_at > self._using.now()
        is_right = hmac.compare_digest(kept.code_hash, self._hash(user, code))
        if is_right and is_usable:
            await session.delete(kept)
            return True
        kept.tries_left -= 1
        return False

    async def _send_code(self, email: str, client_address: str | None) -> None:
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARACTERS))
        async with self._using.database.transaction() as session:
            found = await repository.user_by_email(session, email)
            user = await repository.held_user(session, found.id) if found else None
            if user is None:
                return
            fresh = ResetCode(
                user_id=user.id,
                code_hash=self._hash(user, code),
                expires_at=self._using.now() + LIFETIME,
                tries_left=TRIES,
            )
            # Instead of an earlier one.
            await session.merge(fresh)
            self._using.audit.add(session, AuditKind.RESET_REQUESTED, user_id=user.id, client_address=client_address)
        shown = "-".join(code[place : place + GROUP_CHARACTERS] for place in range(0, len(code), GROUP_CHARACTERS))
        await self._mailer.send(to=email, subject=SUBJECT, text=TEXT.format(code=shown))

    def _hash(self, user: User, code: str) -> str:
        """Keyed and the user's own: a copy of the table gives no code away, and no code fits another user."""
        plain = "".join(filter(str.isalnum, code.upper()))
        return self._keys.keyed_hash("reset-code", str(user.id), plain)
