"""Accounts: made, signed in to, changed, deleted.

Transactions are drawn here; none is open while a password is hashed.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts import repository
from app.accounts.audit import AuditLog
from app.accounts.emails import normalised_email
from app.accounts.models import AuditKind, User
from app.accounts.passwords import PasswordHasher, password_weakness
from app.accounts.sessions import Sessions, Tokens
from app.accounts.throttle import Action, Attempt, Throttle
from app.accounts.tokens import Caller
from app.core.clock import utc_now
from app.core.config import Registration
from app.core.database import Database
from app.core.errors import EmailTaken, InvalidRequest, RegistrationClosed, Unauthorized

FRESH_SIGN_IN = timedelta(minutes=10)
"""So recent a sign-in stands for a password where there is none."""

CancelWork = Callable[[UUID], Awaitable[None]]
"""Stops some of what runs for a user, and waits until it has stopped."""


@dataclass(frozen=True)
class Collaborators:
    """What every service of accounts works with."""

    database: Database
    passwords: PasswordHasher
    sessions: Sessions
    throttle: Throttle
    audit: AuditLog
    registration: Registration = Registration.OPEN
    now: Callable[[], datetime] = utc_now


class AccountService:
    """What people do with their accounts."""

    def __init__(self, using: Collaborators, *, cancel_work: Sequence[CancelWork]) -> None:
        self._using = using
        self._database = using.database
        self._cancel_work = cancel_work

    async def register(self, email: str, password: str, *, client_address: str | None) -> User:
        """Make an account.

        Raises:
            RegistrationClosed: there are no new accounts.
            InvalidRequest: the password is not accepted.
            EmailTaken: there is one with this address.
            RateLimited: too many of these.
        """
        if self._using.registration is Registration.CLOSED:
            raise RegistrationClosed("Ask whoever runs this service for an account.")
        email = normalised_email(email)
        check_password(password, email=email, field="password")
        await self._using.throttle.take(Attempt(Action.REGISTER, email, client_address))
        now = self._using.now()
        user = User(id=uuid4(), email=email, password_hash=await self._using.passwords.hash(password), created_at=now)
        try:
            async with self._database.transaction() as session:
                session.add(user)
                await session.flush()
                self._using.audit.add(session, AuditKind.REGISTERED, user_id=user.id, client_address=client_address)
        except IntegrityError as error:
            raise EmailTaken("Sign in, or reset the password if it is forgotten.") from error
        return user

    async def sign_in(self, email: str, password: str, *, client_address: str | None) -> Tokens:
        """Begin a sign-in.

        Raises:
            Unauthorized: there is no such account, or the password is wrong; neither answer nor time tells which.
            RateLimited: too many of these.
        """
        email = normalised_email(email)
        attempt = Attempt(Action.SIGN_IN, email, client_address)
        await self._using.throttle.take(attempt)
        async with self._database.reading() as session:
            user = await repository.user_by_email(session, email)
        if await self._is_password(user, password, attempt) and user is not None:
            async with self._database.transaction() as session:
                if await self._held_unchanged(session, user):
                    await self._using.throttle.succeeded(session, attempt)
                    self._using.audit.add(
                        session, AuditKind.SIGNED_IN, user_id=user.id, client_address=client_address, by="password"
                    )
                    return self._using.sessions.begin(session, user.id)
        raise Unauthorized("E-mail address or password is wrong.")

    async def change_password(
        self, caller: Caller, current: str | None, new: str, *, client_address: str | None
    ) -> None:
        """Set another password. Every sign-in of the user ends, this one too.

        Raises:
            Unauthorized: the current password is wrong, or missing and the sign-in is not fresh.
            InvalidRequest: the new password is not accepted.
            RateLimited: too many wrong ones.
        """
        user = await self._confirmed(caller, current, client_address)
        check_password(new, email=user.email or "", field="new_password")
        password_hash = await self._using.passwords.hash(new)
        async with self._database.transaction() as session:
            held = await self._held_unchanged(session, user)
            if held is None:
                raise Unauthorized("The password was changed meanwhile. Sign in again.")
            held.password_hash = password_hash
            await repository.end_families(session, held.id)
            self._using.audit.add(
                session, AuditKind.PASSWORD_CHANGED, user_id=held.id, client_address=client_address, by="password"
            )

    async def delete(self, caller: Caller, password: str | None, *, client_address: str | None) -> None:
        """Delete the account and all that is the user's. What runs for them is stopped first.

        The ledger keeps its figures, and the audit its facts, without the person.

        Raises:
            Unauthorized: the password is wrong, or missing and the sign-in is not fresh.
            RateLimited: too many wrong ones.
        """
        user = await self._confirmed(caller, password, client_address)
        for cancel in self._cancel_work:
            await cancel(user.id)
        async with self._database.transaction() as session:
            if await self._held_unchanged(session, user) is None:
                raise Unauthorized("This account is deleted, or its password was changed meanwhile.")
            await repository.depersonalise_audit(session, user.id)
            await repository.delete_user(session, user.id)
            await self._using.throttle.forget_account(session, user.email or "")
            self._using.audit.add(session, AuditKind.ACCOUNT_DELETED, user_id=None)

    async def _confirmed(self, caller: Caller, password: str | None, client_address: str | None) -> User:
        """The calling user, who has just shown again who they are."""
        async with self._database.reading() as session:
            user = await repository.user_by_id(session, caller.user_id)
        if user is None:
            raise Unauthorized("This account is deleted.")
        if user.password_hash is None:
            is_fresh = caller.signed_in_at is not None and self._using.now() - caller.signed_in_at <= FRESH_SIGN_IN
            if not is_fresh:
                raise Unauthorized("Sign in again first: the last time is more than ten minutes ago.")
            return user
        attempt = Attempt(Action.PASSWORD_AGAIN, user.email or "", client_address)
        await self._using.throttle.take(attempt)
        if not await self._is_password(user, password or "", attempt):
            raise Unauthorized("The password is wrong.")
        async with self._database.transaction() as session:
            await self._using.throttle.succeeded(session, attempt)
        return user

    async def _is_password(self, user: User | None, password: str, attempt: Attempt) -> bool:
        """Whether it is the user's password; if not, the audit tells of it."""
        is_right, renewed = await self._using.passwords.verify(password, user.password_hash if user else None)
        if not is_right:
            await self._using.audit.write(
                AuditKind.SIGN_IN_FAILED,
                user_id=user.id if user else None,
                client_address=attempt.client_address,
            )
        elif renewed is not None and user is not None:
            async with self._database.transaction() as session:
                if held := await self._held_unchanged(session, user):
                    held.password_hash = renewed
            user.password_hash = renewed
        return is_right

    async def _held_unchanged(self, session: AsyncSession, user: User) -> User | None:
        """The user, held, if the password is still the one that was looked at."""
        held = await repository.held_user(session, user.id)
        return held if held is not None and held.password_hash == user.password_hash else None


def check_password(password: str, *, email: str, field: str) -> None:
    """Refuse a weak new password.

    Raises:
        InvalidRequest: names the field and what is wrong, not the password.
    """
    if (weakness := password_weakness(password, email=email)) is not None:
        raise InvalidRequest(weakness, errors=[{"field": field, "message": weakness}])
