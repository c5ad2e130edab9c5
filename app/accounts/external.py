"""Sign-in with an identity from elsewhere: whose account it is, or becomes."""

from uuid import UUID, uuid4

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts import repository
from app.accounts.emails import normalised_email
from app.accounts.google import Departure, GoogleSignIn, Profile
from app.accounts.models import AuditKind, ExternalIdentity, User
from app.accounts.service import Collaborators
from app.accounts.sessions import Tokens
from app.core.config import Registration
from app.core.errors import EmailUnverified, RegistrationClosed, Unauthorized


class ExternalSignIn:
    """Signs in by a provider's word.

    An account is found by the provider's id for the person, and the first time by an e-mail address that the provider
    has verified. Somebody may have registered that address before without owning it, and be waiting: unless a code sent
    there, or the provider, has shown whose it is, its password and its sign-ins end when the owner arrives.
    """

    def __init__(self, using: Collaborators, provider: GoogleSignIn) -> None:
        self._using = using
        self._provider = provider

    @property
    def is_secure(self) -> bool:
        """See `GoogleSignIn`."""
        return self._provider.is_secure

    async def depart(self) -> Departure:
        """See `GoogleSignIn`."""
        return await self._provider.depart()

    async def arrive(
        self, *, code: str | None, state: str | None, cookie: str | None, client_address: str | None
    ) -> Tokens:
        """Begin a sign-in, in an account that is made or linked if need be.

        Raises:
            Unauthorized, IdentityUnavailable: see `GoogleSignIn.arrive`.
            EmailUnverified: it is nobody's identity yet, and the provider does not vouch for the address.
            RegistrationClosed: there is no such account, and there are no new ones.
        """
        profile = await self._provider.arrive(code=code, state=state, cookie=cookie)
        try:
            return await self._signed_in(profile, client_address)
        except IntegrityError:
            # Somebody was quicker with the same address or identity; now it is there.
            return await self._signed_in(profile, client_address)

    async def _signed_in(self, profile: Profile, client_address: str | None) -> Tokens:
        async with self._using.database.transaction() as session:
            identity = await repository.identity(session, profile.issuer, profile.subject)
            user_id = identity.user_id if identity else await self._linked(session, profile, client_address)
            if await repository.held_user(session, user_id) is None:
                raise Unauthorized("This account is deleted.")
            self._using.audit.add(
                session, AuditKind.SIGNED_IN, user_id=user_id, client_address=client_address, by=profile.issuer
            )
            return self._using.sessions.begin(session, user_id)

    async def _linked(self, session: AsyncSession, profile: Profile, client_address: str | None) -> UUID:
        """The account with the profile's address, or a new one, which from now on is this identity's."""
        if not profile.email or not profile.is_email_verified:
            raise EmailUnverified("Verify the address at the identity provider first.")
        email = normalised_email(profile.email)
        found = await repository.user_by_email(session, email)
        user = await repository.held_user(session, found.id) if found else None
        now = self._using.now()
        if user is None:
            if self._using.registration is Registration.CLOSED:
                raise RegistrationClosed("Ask whoever runs this service for an account.")
            user = User(id=uuid4(), email=email, created_at=now)
            session.add(user)
            await session.flush()
            self._using.audit.add(session, AuditKind.REGISTERED, user_id=user.id, client_address=client_address)
        elif user.email_verified_at is None:
            user.password_hash = None
            await repository.end_families(session, user.id)
        user.email_verified_at = user.email_verified_at or now
        session.add(ExternalIdentity(issuer=profile.issuer, subject=profile.subject, user_id=user.id, created_at=now))
        self._using.audit.add(
            session, AuditKind.IDENTITY_LINKED, user_id=user.id, client_address=client_address, issuer=profile.issuer
        )
        await session.flush()
        return user.id
