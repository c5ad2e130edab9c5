"""Whether an owner is still there, for whoever writes rows long after the request: accounts can be deleted."""

from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts import repository


async def kept_owner(session: AsyncSession, user_id: UUID) -> UUID | None:
    """The id to write into a row; None if the account is gone, which does not go before the transaction ends."""
    return user_id if await repository.is_kept(session, user_id) else None
