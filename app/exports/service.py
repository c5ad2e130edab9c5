"""One export from request to file."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.conversations.service import ConversationService
from app.core.clock import utc_now
from app.exports.document import ExportDocument, job_title
from app.exports.filenames import content_disposition
from app.exports.formats import FORMATS, ExportFormat


@dataclass(frozen=True)
class ExportedFile:
    """What the client receives."""

    content: bytes
    media_type: str
    content_disposition: str


class ExportService:
    """Reads a question set and writes it down in a format."""

    def __init__(self, conversations: ConversationService, *, now: Callable[[], datetime] = utc_now) -> None:
        self._conversations = conversations
        self._now = now

    async def export(
        self,
        conversation_id: UUID,
        export_format: ExportFormat,
        *,
        owner_id: UUID,
        interview_type: str | None = None,
        revision: int | None = None,
    ) -> ExportedFile:
        """The set last worked on, or the last of this type; in its latest or the named revision.

        Raises:
            NotFound: the owner has no such conversation, or it no such set or revision.
        """
        found = await self._conversations.question_set(
            conversation_id, owner_id=owner_id, interview_type=interview_type, revision=revision
        )
        document = ExportDocument(
            conversation_id=conversation_id,
            question_set=found.question_set,
            job_title=job_title(found.job_description),
            exported_at=self._now(),
        )
        entry = FORMATS[export_format]
        # Typesetting takes a tenth of a second of processor time, which others need not wait for.
        content = await asyncio.to_thread(entry.write, document)
        return ExportedFile(content, entry.media_type, content_disposition(document, entry.extension))
