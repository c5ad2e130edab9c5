"""The screen fails closed: what could not be checked is refused or withheld, and its text reaches no log."""

import pytest
from structlog.testing import capture_logs

from app.accounts.audit import AuditLog
from app.accounts.models import LOCAL_USER_ID
from app.chat.checks import check_texts, documents_for_models
from app.chat.schemas import ChatRequest
from app.core.database import Database
from app.core.errors import InputRejected
from plugins.security.reasons import Reason
from plugins.security.screen import REMOVED, Neutralised, Verdict

PRIVATE = "my private resume"


def broken_judge(text: str, *, max_characters: int) -> Verdict:
    raise RuntimeError(f"{text} {max_characters}")


def broken_cleaner(text: str) -> Neutralised:
    raise RuntimeError(text)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_message_that_could_not_be_screened_is_refused(database: Database) -> None:
    request, audit = ChatRequest(message=PRIVATE), AuditLog(database)
    with capture_logs() as logs, pytest.raises(InputRejected) as refused:
        await check_texts(request, audit, owner_id=LOCAL_USER_ID, judge=broken_judge)
    assert refused.value.errors == [{"field": "message", "message": Reason.UNCHECKED.value}]
    assert PRIVATE not in str(refused.value)
    assert [log["error"] for log in logs] == ["RuntimeError"]
    assert PRIVATE not in str(logs)


@pytest.mark.parametrize("field", ["job_description", "resume"])
def test_a_document_that_could_not_be_screened_is_withheld_and_flagged(field: str) -> None:
    texts = {"job_description": None, "resume": None, field: PRIVATE}
    with capture_logs() as logs:
        documents = documents_for_models(**texts, clean=broken_cleaner)
    assert getattr(documents, field) == REMOVED
    (flag,) = documents.flags
    assert (flag.field, flag.reasons) == (field, [Reason.UNCHECKED.value])
    assert PRIVATE not in str(logs)
