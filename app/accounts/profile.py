"""What users see of themselves."""

from uuid import UUID

from app.accounts import repository
from app.accounts.schemas import AccountExport, AuditPublic, IdentityPublic, Me, SignInPublic, UserPublic
from app.core.config import AuthMode
from app.core.database import Database
from app.core.errors import NotFound


class ProfileService:
    """Reads what is kept of a user; in local mode of the one there is."""

    def __init__(self, database: Database, mode: AuthMode) -> None:
        self._database = database
        self._mode = mode

    async def me(self, user_id: UUID) -> Me:
        """The user as they see themselves.

        Raises:
            NotFound: the account is deleted.
        """
        async with self._database.reading() as session:
            user = await repository.user_by_id(session, user_id)
        if user is None:
            raise NotFound("This account is deleted.")
        return Me(**UserPublic.of(user).model_dump(), auth_mode=self._mode)

    async def export(self, user_id: UUID) -> AccountExport:
        """What is kept about the user here: no hash, no token, no code.

        Raises:
            NotFound: the account is deleted.
        """
        async with self._database.reading() as session:
            user = await repository.user_by_id(session, user_id)
            identities = await repository.identities(session, user_id)
            families = await repository.families(session, user_id)
            events = await repository.audit_events(session, user_id)
        if user is None:
            raise NotFound("This account is deleted.")
        return AccountExport(
            user=UserPublic.of(user),
            identities=[IdentityPublic.of(row) for row in identities],
            sign_ins=[SignInPublic(signed_in_at=began, expires_at=ends) for began, ends in families],
            audit=[AuditPublic.of(row) for row in events],
        )
