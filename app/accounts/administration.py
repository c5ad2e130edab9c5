"""What an operator does about accounts, without being any of the people. Limits and `REGISTRATION` do not apply."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts import repository
from app.accounts.emails import normalised_email
from app.accounts.models import AuditKind, User
from app.accounts.service import CancelWork, Collaborators, check_password
from app.core.errors import EmailTaken, NotFound


@dataclass(frozen=True)
class Listed:
    """A line of the list of accounts."""

    email: str
    created_at: datetime
    is_verified: bool
    """The person has shown that the mailbox is theirs."""
    has_password: bool
    """Otherwise they sign in elsewhere."""


class Administration:
    """Accounts from the operator's side."""

    def __init__(self, using: Collaborators, *, cancel_work: CancelWork) -> None:
        self._using = using
        self._cancel_work = cancel_work

    async def listed(self) -> Sequence[Listed]:
        """Everybody who can sign in, the newest last."""
        async with self._using.database.reading() as session:
            users = await repository.users(session)
        return [
            Listed(
                user.email or "", user.created_at, user.email_verified_at is not None, user.password_hash is not None
            )
            for user in users
        ]

    async def add(self, email: str, password: str) -> None:
        """Make an account.

        Raises:
            InvalidRequest: the password is not accepted.
            EmailTaken: there is one with this address.
        """
        email = normalised_email(email)
        check_password(password, email=email, field="password")
        user = User(
            id=uuid4(),
            email=email,
            password_hash=await self._using.passwords.hash(password),
            created_at=self._using.now(),
        )
        try:
            async with self._using.database.transaction() as session:
                session.add(user)
                await session.flush()
                self._using.audit.add(session, AuditKind.REGISTERED, user_id=user.id, by="operator")
        except IntegrityError as error:
            raise EmailTaken("There is an account with this address.") from error

    async def set_password(self, email: str, password: str) -> None:
        """Set another password; every sign-in of the user ends.

        Raises:
            NotFound: there is no such account.
            InvalidRequest: the password is not accepted.
        """
        check_password(password, email=normalised_email(email), field="password")
        password_hash = await self._using.passwords.hash(password)
        async with self._using.database.transaction() as session:
            user = await self._held(session, email)
            user.password_hash = password_hash
            await repository.end_families(session, user.id)
            await self._using.throttle.forget_account(session, user.email or "")
            self._using.audit.add(session, AuditKind.PASSWORD_CHANGED, user_id=user.id, by="operator")

    async def sign_out(self, email: str) -> None:
        """End every sign-in of the user.

        Raises:
            NotFound: there is no such account.
        """
        async with self._using.database.transaction() as session:
            user = await self._held(session, email)
            await repository.end_families(session, user.id)
            self._using.audit.add(session, AuditKind.SIGNED_OUT, user_id=user.id, by="operator")

    async def delete(self, email: str) -> None:
        """Delete the account and all that is the user's. What runs for them is stopped first.

        Raises:
            NotFound: there is no such account.
        """
        async with self._using.database.reading() as session:
            user_id = (await self._found(session, email)).id
        await self._cancel_work(user_id)
        async with self._using.database.transaction() as session:
            user = await self._held(session, email)
            await self._remove(session, user.id, user.email or "")

    async def _remove(self, session: AsyncSession, user_id: UUID, email: str) -> None:
        await repository.depersonalise_audit(session, user_id)
        await repository.delete_user(session, user_id)
        await self._using.throttle.forget_account(session, email)
        self._using.audit.add(session, AuditKind.ACCOUNT_DELETED, user_id=None, by="operator")

    async def _found(self, session: AsyncSession, email: str) -> User:
        user = await repository.user_by_email(session, normalised_email(email))
        if user is None:
            raise NotFound("There is no account with this address; `greenroom users list` names all.")
        return user

    async def _held(self, session: AsyncSession, email: str) -> User:
        user = await repository.held_user(session, (await self._found(session, email)).id)
        if user is None:
            raise NotFound("The account was deleted meanwhile.")
        return user
