"""The question set as the API shows it, with the conversation it belongs to."""

from app.conversations.schemas import QuestionSetPublic
from app.exports.document import ExportDocument
from app.exports.schemas import QuestionSetExport


def as_json(document: ExportDocument) -> bytes:
    """The document as JSON in UTF-8; letters of every script stand as they are."""
    export = QuestionSetExport(
        **QuestionSetPublic.of(document.question_set).model_dump(),
        conversation_id=document.conversation_id,
        exported_at=document.exported_at,
        job_title=document.job_title,
    )
    return export.model_dump_json(indent=2).encode() + b"\n"
