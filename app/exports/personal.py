"""All that is kept of one person as one JSON document, written piece by piece."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from uuid import UUID

from app.accounts.assembly import Accounts
from app.accounts.schemas import AccountExport
from app.conversations.schemas import ConversationRecord
from app.conversations.service import ConversationService
from app.core.clock import utc_now
from app.usage.schemas import ModelCallPublic


class PersonalExport:
    """Gathers it."""

    def __init__(
        self, conversations: ConversationService, accounts: Accounts, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._conversations = conversations
        self._accounts = accounts
        self._now = now

    async def everything(self, owner_id: UUID) -> AsyncIterator[bytes]:
        """The document in pieces, so that one conversation at a time is in memory.

        Raises:
            NotFound: the account is deleted.
        """
        account = await self._accounts.profiles.export(owner_id)
        calls = await self._conversations.calls(owner_id=owner_id)
        return personal_export(account, self._conversations.records(owner_id=owner_id), calls, exported_at=self._now())


async def personal_export(
    account: AccountExport,
    conversations: AsyncIterator[ConversationRecord],
    model_calls: Sequence[ModelCallPublic],
    *,
    exported_at: datetime,
) -> AsyncIterator[bytes]:
    """UTF-8: `exported_at`, `user`, `identities`, `sign_ins`, `audit`, `model_calls` and, last, `conversations`."""
    head = account.model_dump(mode="json") | {"model_calls": [call.model_dump(mode="json") for call in model_calls]}
    begun = json.dumps({"exported_at": exported_at.isoformat()} | head, ensure_ascii=False, indent=1)
    yield begun.removesuffix("\n}").encode() + b',\n "conversations": ['
    separator = "\n"
    async for conversation in conversations:
        yield f"{separator}{conversation.model_dump_json()}".encode()
        separator = ",\n"
    yield b"\n ]\n}\n"
