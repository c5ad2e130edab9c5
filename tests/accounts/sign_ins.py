"""Signing in at the services themselves, at a time of the test's own."""

from sqlmodel import select

from app.accounts.assembly import Accounts, SignIns
from app.accounts.models import AuditEvent
from app.accounts.sessions import Tokens
from app.core.database import Database
from tests.accounts.people import ANN, PASSWORD

HOME, STRANGER = "192.0.2.7", "198.51.100.1"
"""Where Ann calls from, and somebody else."""


async def made(accounts: Accounts) -> SignIns:
    """Ann has an account."""
    await accounts.sign_ins.accounts.register(ANN, PASSWORD, client_address=HOME)
    return accounts.sign_ins


async def enter(signs: SignIns, email: str = ANN, password: str = PASSWORD, *, client_address: str = HOME) -> Tokens:
    return await signs.accounts.sign_in(email, password, client_address=client_address)


async def kinds(database: Database) -> list[str]:
    """What the audit tells of, in no order."""
    async with database.reading() as session:
        return list((await session.exec(select(AuditEvent.kind))).all())
