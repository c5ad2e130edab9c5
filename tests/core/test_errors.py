"""The error tree: what is drawn is what the classes say, and what OpenAPI tells."""

import re
from collections.abc import Iterator

import pytest

from app.core import errors
from app.core.errors import GreenroomError, RateLimited
from app.main import create_app
from tests.conftest import MakeSettings

DRAWN = re.compile(r"^[├└]── (\w+)\s+(\d{3})\s+(\w+)", re.MULTILINE)
READS = {"not_found", "validation_error", "internal_error"}

EXPECTED = {
    "POST /api/v1/chat": {
        *(READS | {"input_rejected", "turn_in_progress", "turn_cancelled", "idempotency_conflict", "body_too_large"}),
        *("rate_limited", "budget_exhausted", "provider_error", "provider_unavailable"),
        *("turn_interrupted", "turn_timeout"),
    },
    "GET /api/v1/turns/{turn_id}": READS,
    "GET /api/v1/turns/{turn_id}/events": READS,
    "POST /api/v1/turns/{turn_id}/cancel": READS | {"turn_not_running"},
    "POST /api/v1/compare": {
        *("validation_error", "input_rejected", "body_too_large", "rate_limited", "budget_exhausted"),
        *(
            "provider_error",
            "provider_unavailable",
            "turn_cancelled",
            "turn_interrupted",
            "turn_timeout",
            "internal_error",
        ),
    },
    "GET /api/v1/catalog": {"internal_error"},
    "GET /api/v1/questions": {"validation_error", "internal_error"},
    "GET /api/v1/conversations/{conversation_id}/export": READS,
    "GET /api/v1/conversations": {"validation_error", "internal_error"},
    "GET /api/v1/usage": {"validation_error", "internal_error"},
    "GET /api/v1/conversations/{conversation_id}": READS,
    "DELETE /api/v1/conversations/{conversation_id}": READS | {"turn_in_progress"},
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
    assert told == EXPECTED
    # A method that a path does not have is no operation of it; `not_ready` is for /readyz.
    assert set.union(*told.values()) | {"method_not_allowed", "not_ready"} == {kind.code for kind in classes()}


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
    assert kind("Do this.").problem("trace-1") == {
        "type": f"urn:greenroom:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": "Do this.",
        "code": kind.code,
        "request_id": "trace-1",
    }


def test_a_problem_names_fields_and_the_wait_where_it_has_them() -> None:
    document = RateLimited("Wait.", retry_after_seconds=7, errors=[]).problem()
    assert (document["retry_after_seconds"], document["errors"]) == (7, [])
