"""The error tree: what is drawn is what the classes say, and what OpenAPI tells."""

import re
from collections.abc import Iterator

import pytest

from app.core import errors
from app.core.errors import GreenroomError, RateLimited
from app.main import create_app
from tests.conftest import MakeSettings

DRAWN = re.compile(r"^[├└]── (\w+)\s+(\d{3})\s+(\w+)", re.MULTILINE)
SIGNED_IN = {"unauthorized", "internal_error"}
READS = {"not_found", "validation_error"} | SIGNED_IN
AUTH = {"accounts_off", "internal_error"}
AUTH_INPUT = AUTH | {"validation_error", "rate_limited"}
MODEL_FAILURES = {
    *("provider_error", "provider_unavailable", "output_withheld", "turn_timeout"),
    *("answer_broken_off", "empty_answer", "content_filtered", "answer_too_long"),
}

EXPECTED = {
    "POST /api/v1/chat": {
        *(READS | {"input_rejected", "turn_in_progress", "turn_cancelled", "idempotency_conflict", "body_too_large"}),
        *("rate_limited", "budget_exhausted", "turn_interrupted"),
        *MODEL_FAILURES,
    },
    "GET /api/v1/turns/{turn_id}": READS,
    "GET /api/v1/turns/{turn_id}/events": READS,
    "POST /api/v1/turns/{turn_id}/cancel": READS | {"turn_not_running"},
    "POST /api/v1/compare": {
        *("validation_error", "input_rejected", "body_too_large", "rate_limited", "budget_exhausted"),
        *("turn_cancelled", "turn_interrupted"),
        *MODEL_FAILURES,
        *SIGNED_IN,
    },
    "GET /api/v1/catalog": SIGNED_IN,
    "GET /api/v1/usage": {"validation_error"} | SIGNED_IN,
    "GET /api/v1/questions": {"validation_error"} | SIGNED_IN,
    "GET /api/v1/conversations/{conversation_id}/export": READS,
    "GET /api/v1/conversations": {"validation_error"} | SIGNED_IN,
    "GET /api/v1/conversations/{conversation_id}": READS,
    "DELETE /api/v1/conversations/{conversation_id}": READS | {"turn_in_progress"},
    "GET /api/v1/me": {"not_found"} | SIGNED_IN,
    "DELETE /api/v1/me": AUTH_INPUT | SIGNED_IN,
    "GET /api/v1/me/export": {"not_found"} | SIGNED_IN,
    "POST /api/v1/me/password": AUTH_INPUT | SIGNED_IN,
    "POST /api/v1/auth/register": AUTH_INPUT | {"registration_closed", "email_taken"},
    "POST /api/v1/auth/token": AUTH_INPUT | {"unauthorized"},
    "POST /api/v1/auth/refresh": AUTH | {"unauthorized", "validation_error"},
    "POST /api/v1/auth/logout": AUTH | {"validation_error"},
    "POST /api/v1/auth/password-reset": AUTH_INPUT | {"mail_off"},
    "POST /api/v1/auth/password-reset/confirm": AUTH_INPUT | {"mail_off", "unauthorized"},
    "GET /api/v1/auth/google": AUTH | {"google_off", "identity_unavailable"},
    "GET /api/v1/auth/google/callback": AUTH
    | {"google_off", "identity_unavailable", "unauthorized", "email_unverified", "registration_closed"}
    | {"validation_error"},
}


def classes(root: type[GreenroomError] = GreenroomError) -> Iterator[type[GreenroomError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from classes(kind)


def test_the_drawn_tree_is_the_classes() -> None:
    drawn = {name: (int(status), code) for name, status, code in DRAWN.findall(errors.__doc__ or "")}
    assert drawn == {kind.__name__: (kind.status, kind.code) for kind in classes()}
    codes = [kind.code for kind in classes()]
    assert len(set(codes)) == len(codes)


def test_openapi_names_every_error_where_it_can_occur(make_settings: MakeSettings) -> None:
    paths = create_app(make_settings()).openapi()["paths"]
    told = {
        f"{method.upper()} {path}": {
            code
            for status, answer in operation["responses"].items()
            for code in re.findall(r"`(\w+)`:", answer["description"])
            if int(status) in {kind.status for kind in classes() if kind.code == code}
        }
        for path, operations in paths.items()
        for method, operation in operations.items()
        if path.startswith("/api/")
    }
    # Every operation needs the database.
    assert told == {operation: codes | {"not_ready"} for operation, codes in EXPECTED.items()}
    # What is refused before an operation is chosen is none of its own answers.
    before = {"method_not_allowed", "misdirected_request", "origin_refused", "request_timeout"}
    assert set.union(*told.values()) | before == {kind.code for kind in classes()}


def test_every_error_answer_is_declared_as_a_problem(make_settings: MakeSettings) -> None:
    paths = create_app(make_settings()).openapi()["paths"]
    answers = [
        (path, status, answer)
        for path, operations in paths.items()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if int(status) >= 400
    ]
    assert answers
    for path, status, answer in answers:
        assert "application/problem+json" in answer["content"], (path, status)


@pytest.mark.parametrize("kind", list(classes()))
def test_a_problem_has_every_member(kind: type[GreenroomError]) -> None:
    assert kind("Do this.").problem("request-1", "trace-1") == {
        "type": f"urn:greenroom:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": "Do this.",
        "code": kind.code,
        "request_id": "request-1",
        "trace_id": "trace-1",
    }


def test_a_problem_names_fields_and_the_wait_where_it_has_them() -> None:
    document = RateLimited("Wait.", retry_after_seconds=7, errors=[]).problem()
    assert (document["retry_after_seconds"], document["errors"]) == (7, [])
