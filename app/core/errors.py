"""One error tree; every answer that is not a success is an RFC 9457 problem made from it.

GreenroomError                     what a client may see: status, code, title, a detail that says what to do
├── InvalidRequest       422       validation_error
├── InputRejected        422       input_rejected
├── OriginRefused        403       origin_refused
├── Unauthorized         401       unauthorized          (WWW-Authenticate)
├── RegistrationClosed   403       registration_closed
├── EmailUnverified      403       email_unverified
├── NotFound             404       not_found
├── AccountsOff          404       accounts_off
├── GoogleOff            404       google_off
├── MailOff              404       mail_off
├── MethodNotAllowed     405       method_not_allowed
├── RequestTimeout       408       request_timeout
├── TurnInProgress       409       turn_in_progress
├── TurnNotRunning       409       turn_not_running
├── TurnStopped          409       turn_cancelled
├── IdempotencyConflict  409       idempotency_conflict
├── EmailTaken           409       email_taken
├── BodyTooLarge         413       body_too_large
├── MisdirectedRequest   421       misdirected_request
├── RateLimited          429       rate_limited          (Retry-After)
├── BudgetExhausted      429       budget_exhausted      (Retry-After)
├── ProviderError        502       provider_error
├── AnswerBrokenOff      502       answer_broken_off
├── EmptyAnswer          502       empty_answer
├── ContentFiltered      502       content_filtered
├── AnswerTooLong        502       answer_too_long
├── OutputWithheld       502       output_withheld
├── ProviderUnavailable  503       provider_unavailable  (Retry-After)
├── IdentityUnavailable  503       identity_unavailable  (Retry-After)
├── TurnInterrupted      503       turn_interrupted
├── NotReady             503       not_ready             (Retry-After)
├── TurnTimeout          504       turn_timeout
└── InternalError        500       internal_error

CatalogError                       start-up only: a plugin folder with a gap, named by file
"""

from typing import Any, ClassVar

PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. `code` is what programs read; `detail` says what to do.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": ["string", "null"], "description": "The server's log has its lines under this id"},
        "trace_id": {"type": ["string", "null"], "description": "Log lines and spans of the same work have it, too"},
        "errors": {
            "type": "array",
            "description": "Each field that has to change",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                "required": ["field", "message"],
            },
        },
        "retry_after_seconds": {"type": "integer", "minimum": 0},
        "conversation_id": {"type": "string", "format": "uuid", "description": "Where the message is kept"},
        "turn_id": {"type": "string", "format": "uuid"},
    },
    "required": ["type", "title", "status", "detail", "code", "request_id", "trace_id"],
}
"""As a JSON schema; every answer that is not a success keeps to it."""

FIELD_CHARACTERS = 100
"""Of a field's name in an answer: whoever sends an unknown field may have named it anything."""


class GreenroomError(Exception):
    """A failure with an answer for the client; `detail` never holds internals, keys or model text."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"
    challenge: ClassVar[str | None] = None
    """Of a 401: how to sign in."""

    def __init__(
        self, detail: str, *, retry_after_seconds: int | None = None, errors: list[dict[str, str]] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        self.errors = errors
        self.kept: dict[str, str] = {}
        """Where the candidate's message is kept, if it is: `conversation_id` and `turn_id`."""
        self.headers = {"WWW-Authenticate": self.challenge} if self.challenge else {}
        """Further fields for the answer's head."""

    def problem(self, request_id: str | None = None, trace_id: str | None = None) -> dict[str, Any]:
        """The problem document, ready for JSON."""
        document: dict[str, Any] = {
            "type": f"urn:greenroom:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": f"{self.detail} Your message is kept." if self.kept else self.detail,
            "code": self.code,
            "request_id": request_id,
            "trace_id": trace_id,
            **self.kept,
        }
        if self.errors is not None:
            document["errors"] = self.errors
        if self.retry_after_seconds is not None:
            document["retry_after_seconds"] = self.retry_after_seconds
        return document


class InternalError(GreenroomError):
    """A defect of ours; the log line with the same request id holds the cause."""


class InvalidRequest(GreenroomError):
    """Malformed JSON, an unknown field, a value out of range; `errors` names each field."""

    status = 422
    code = "validation_error"
    title = "The request is not valid"


class InputRejected(GreenroomError):
    """The security screen refused the text before any model saw it."""

    status = 422
    code = "input_rejected"
    title = "The message was not accepted"


class OriginRefused(GreenroomError):
    """A web page of another origin asked for a change."""

    status = 403
    code = "origin_refused"
    title = "Pages of other sites may not do this"


class Unauthorized(GreenroomError):
    """No sign-in, or none that counts: what exactly is wrong with it is not told."""

    status = 401
    code = "unauthorized"
    title = "Sign in first"
    challenge = "Bearer"


class RegistrationClosed(GreenroomError):
    """`REGISTRATION=closed`: there are no new accounts."""

    status = 403
    code = "registration_closed"
    title = "Registration is closed"


class EmailUnverified(GreenroomError):
    """The identity provider does not vouch for the e-mail address, so that it proves nothing."""

    status = 403
    code = "email_unverified"
    title = "The e-mail address is not verified"


class NotFound(GreenroomError):
    """No such thing, or not the caller's: the two are not told apart."""

    status = 404
    code = "not_found"
    title = "Not found"


class AccountsOff(GreenroomError):
    """`AUTH_MODE=local`: there is one person, who neither signs in nor out."""

    status = 404
    code = "accounts_off"
    title = "Accounts are off"


class GoogleOff(GreenroomError):
    """No `GOOGLE_CLIENT_ID`."""

    status = 404
    code = "google_off"
    title = "Sign-in with Google is off"


class MailOff(GreenroomError):
    """No `SMTP_URL`, so that no code can be sent."""

    status = 404
    code = "mail_off"
    title = "E-mail is off"


class MethodNotAllowed(GreenroomError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"


class RequestTimeout(GreenroomError):
    """The request's body did not arrive in time."""

    status = 408
    code = "request_timeout"
    title = "The request took too long to arrive"


class TurnInProgress(GreenroomError):
    """One turn at a time per conversation."""

    status = 409
    code = "turn_in_progress"
    title = "A turn is already running in this conversation"


class TurnNotRunning(GreenroomError):
    """The turn has ended, so there is nothing to cancel."""

    status = 409
    code = "turn_not_running"
    title = "The turn has already ended"


class TurnStopped(GreenroomError):
    """Somebody cancelled the turn whose reply this request waits for."""

    status = 409
    code = "turn_cancelled"
    title = "The turn was cancelled"


class IdempotencyConflict(GreenroomError):
    """The same Idempotency-Key came with another body."""

    status = 409
    code = "idempotency_conflict"
    title = "The idempotency key was used for another request"


class EmailTaken(GreenroomError):
    """There is an account with this address."""

    status = 409
    code = "email_taken"
    title = "There is an account with this e-mail address"


class BodyTooLarge(GreenroomError):
    """The request body is over `MAX_BODY_BYTES`."""

    status = 413
    code = "body_too_large"
    title = "The request body is too large"


class MisdirectedRequest(GreenroomError):
    """The `Host` header names a host that the service does not answer to."""

    status = 421
    code = "misdirected_request"
    title = "The request is for another host"


class RateLimited(GreenroomError):
    """The hourly limit of model calls is used up, or that of attempts to sign in."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"


class BudgetExhausted(GreenroomError):
    """A spending budget is used up, or running calls may use up the rest of it."""

    status = 429
    code = "budget_exhausted"
    title = "The budget is used up"


class ProviderError(GreenroomError):
    """The model provider failed after retries, or answered something unusable."""

    status = 502
    code = "provider_error"
    title = "The model provider failed"


class AnswerBrokenOff(GreenroomError):
    """The provider's answer ended before its end. Nothing of it counts."""

    status = 502
    code = "answer_broken_off"
    title = "The model's answer broke off"


class EmptyAnswer(GreenroomError):
    """The model ended its answer without a word and without calling a function."""

    status = 502
    code = "empty_answer"
    title = "The model said nothing"


class ContentFiltered(GreenroomError):
    """The provider's content filter refused the request or stopped the answer."""

    status = 502
    code = "content_filtered"
    title = "The model provider's content filter stopped the answer"


class AnswerTooLong(GreenroomError):
    """The model reached its limit of length before it had said anything of use."""

    status = 502
    code = "answer_too_long"
    title = "The answer did not fit"


class OutputWithheld(GreenroomError):
    """A model wrote what its instructions mark as confidential; nothing of that leaves the service."""

    status = 502
    code = "output_withheld"
    title = "The answer was withheld"


class ProviderUnavailable(GreenroomError):
    """The model provider cannot be reached or is overloaded."""

    status = 503
    code = "provider_unavailable"
    title = "The model provider is unavailable"


class IdentityUnavailable(GreenroomError):
    """The identity provider cannot be reached or does not answer as it should."""

    status = 503
    code = "identity_unavailable"
    title = "The identity provider is unavailable"


class TurnInterrupted(GreenroomError):
    """The server stopped while the turn ran."""

    status = 503
    code = "turn_interrupted"
    title = "The server stopped during the turn"


class NotReady(GreenroomError):
    """The database does not answer, cannot be written or has no connection free, so that no turn could be stored."""

    status = 503
    code = "not_ready"
    title = "The service cannot serve at the moment"


class TurnTimeout(GreenroomError):
    """The model was silent too long, or the turn took too long."""

    status = 504
    code = "turn_timeout"
    title = "The turn took too long"


class CatalogError(Exception):
    """A plugin folder has a gap; the message names the file and says what to do. Stops the start-up."""


def problems(*kinds: type[GreenroomError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint for OpenAPI; kinds with one status share an entry."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        entry = by_status.setdefault(kind.status, {"description": "", "content": content})
        entry["description"] = " / ".join(filter(None, (entry["description"], f"`{kind.code}`: {kind.title}")))
    return by_status
