"""Question sets as files."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.accounts.endpoints import OwnerDep
from app.core.errors import InvalidRequest, NotFound, problems
from app.exports.formats import FORMATS, ExportFormat
from app.exports.personal import PersonalExport
from app.exports.schemas import QuestionSetExport
from app.exports.service import ExportService

router = APIRouter(prefix="/api/v1", tags=["exports"])

MAX_REVISION = 2**31 - 1

BINARY = {"schema": {"type": "string", "format": "binary"}}
JSON = FORMATS[ExportFormat.JSON].media_type
FILES = {entry.media_type: BINARY for entry in FORMATS.values() if entry.media_type != JSON}


def export_service(request: Request) -> ExportService:
    """The application's export service."""
    service: ExportService = request.app.state.exports
    return service


ExportServiceDep = Annotated[ExportService, Depends(export_service)]


def personal_export(request: Request) -> PersonalExport:
    """The application's export of everything."""
    service: PersonalExport = request.app.state.personal_export
    return service


PersonalExportDep = Annotated[PersonalExport, Depends(personal_export)]


@router.get(
    "/conversations/{conversation_id}/export",
    response_class=Response,
    responses={
        **problems(NotFound, InvalidRequest),
        200: {"model": QuestionSetExport, "content": FILES, "description": "The file"},
    },
)
async def export_question_set(
    conversation_id: UUID,
    service: ExportServiceDep,
    owner_id: OwnerDep,
    *,
    export_format: Annotated[ExportFormat, Query(alias="format")],
    interview_type: Annotated[str | None, Query(max_length=40, description="Default: the set last worked on")] = None,
    revision: Annotated[int | None, Query(ge=1, le=MAX_REVISION, description="Default: the latest")] = None,
) -> Response:
    """A question set of the conversation as a file to keep, print or open in a spreadsheet."""
    file = await service.export(
        conversation_id, export_format, owner_id=owner_id, interview_type=interview_type, revision=revision
    )
    headers = {"Content-Disposition": file.content_disposition, "X-Content-Type-Options": "nosniff"}
    # As a header, not as `media_type`, to which Starlette adds a character set of its own.
    return Response(file.content, headers=headers | {"Content-Type": file.media_type})


@router.get(
    "/me/export",
    response_class=StreamingResponse,
    responses={**problems(NotFound), 200: {"content": {"application/json": {}}, "description": "The file"}},
)
async def export_everything(service: PersonalExportDep, owner_id: OwnerDep) -> Response:
    """All that is kept of you: account, conversations, every revision of the questions, turns, model calls, audit."""
    headers = {
        "Content-Disposition": 'attachment; filename="greenroom-export.json"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(await service.everything(owner_id), media_type="application/json", headers=headers)
