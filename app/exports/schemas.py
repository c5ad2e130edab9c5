"""The export that programs read."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.conversations.schemas import QuestionSetPublic


class QuestionSetExport(QuestionSetPublic):
    """A question set as the API shows it, and where it comes from."""

    conversation_id: UUID
    exported_at: datetime
    job_title: Annotated[str | None, Field(description="The first line of the job description")]
