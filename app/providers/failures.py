"""What a provider's exception means: our error, with no text of the provider's in it, and whether it may pass."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx2
import openai

from app.core.clock import utc_now
from app.core.errors import AnswerBrokenOff, ContentFiltered, GreenroomError, ProviderError, ProviderUnavailable

RETRY_AFTER_SECONDS = 20
"""What a client is told where the provider does not say."""

MOST_RETRY_AFTER_SECONDS = 3600.0

BROKEN_OFF = "The model provider broke off in the middle of its answer. Try again."
FILTERED = "The model provider's content filter stopped the answer. Try to put it differently."
FILTER_CODES = frozenset({"content_filter", "content_policy_violation"})

_LOST = (openai.APIConnectionError, httpx2.TransportError, ConnectionError)


@dataclass(frozen=True)
class Failure:
    """Why a call failed."""

    error: GreenroomError
    """What the client is told, if it comes to that."""
    is_passing: bool = False
    """It may be over in a moment: the same request is worth another attempt."""
    is_model_away: bool = False
    """It says nothing about the request: another model may answer it."""
    wait_seconds: float | None = None
    """As long as the provider asks to wait before that; None where it does not say."""


def provider_failure(error: BaseException, *, has_begun: bool = False) -> Failure:
    """Translate whatever Semantic Kernel or the client raised while a model was called.

    Semantic Kernel wraps some of the client's exceptions, so the whole chain of causes is looked through. A connection
    that is lost after the answer has begun is a failure of the answer, not of the way to the provider.
    """
    for cause in _causes(error):
        if isinstance(cause, GreenroomError):
            is_broken_off = isinstance(cause, AnswerBrokenOff)
            return Failure(cause, is_passing=is_broken_off, is_model_away=is_broken_off)
        if isinstance(cause, openai.APIStatusError):
            return _status_failure(cause)
        if isinstance(cause, _LOST):
            return _broken_off() if has_begun else _unreachable()
        if isinstance(cause, openai.APIError):
            # An error in the midst of the stream, where the status had been 200.
            return _broken_off()
    return Failure(ProviderError("The model provider sent something unreadable. Try again."))


def costs_nothing(error: BaseException) -> bool:
    """Whether a call that failed before its answer began cannot have been charged.

    Only the provider's own refusal is sure, and a connection that was never made. Where a connection broke or went
    silent later, the provider may have read the request and worked on the answer.
    """
    unsent = httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout
    return any(isinstance(cause, openai.APIStatusError | unsent) for cause in _causes(error))


def _broken_off() -> Failure:
    return _passing(AnswerBrokenOff(BROKEN_OFF))


def _unreachable() -> Failure:
    return _passing(
        ProviderUnavailable(
            "The model provider cannot be reached. Send it again in a moment.", retry_after_seconds=RETRY_AFTER_SECONDS
        )
    )


def _status_failure(error: openai.APIStatusError) -> Failure:
    status, wait_seconds = error.status_code, asked_wait_seconds(error.response.headers)
    if status in {429, 503, 529}:
        overloaded = ProviderUnavailable(
            "The model provider is overloaded. Send it again in a moment.",
            retry_after_seconds=math.ceil(wait_seconds or RETRY_AFTER_SECONDS),
        )
        return _passing(overloaded, wait_seconds)
    if status in {408, 409} or status >= 500:
        failed = ProviderError("The model provider failed, also after retries. Try again.")
        return _passing(failed, wait_seconds)
    if error.code in FILTER_CODES:
        return Failure(ContentFiltered(FILTERED))
    refused = ProviderError(_REFUSALS.get(status, "The model provider refused the request. Try again."))
    return Failure(refused, is_model_away=status == 404)


def _passing(error: GreenroomError, wait_seconds: float | None = None) -> Failure:
    return Failure(error, is_passing=True, is_model_away=True, wait_seconds=wait_seconds)


_BAD_KEY = "The model provider refused the service's key. The operator must check the key's settings."
_REFUSALS: Mapping[int, str] = {
    400: "The model provider rejected the request. Try a shorter message or another model.",
    401: _BAD_KEY,
    403: _BAD_KEY,
    404: "The model provider does not know the model. The operator must check DEFAULT_MODEL.",
}


def asked_wait_seconds(headers: Mapping[str, str]) -> float | None:
    """The provider's `Retry-After`, which is seconds or a date, at most an hour; None where there is none ahead."""
    value = headers.get("retry-after", "")
    try:
        wait = float(value)
    except ValueError:
        wait = _seconds_until(value)
    return min(wait, MOST_RETRY_AFTER_SECONDS) if wait > 0 else None


def _seconds_until(date: str) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return 0.0
    # The date of HTTP is always GMT, which the parser leaves without a zone where it is written "-0000".
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - utc_now()).total_seconds()


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        # Semantic Kernel passes the client's exception as an argument as well as a cause.
        inner = next((argument for argument in current.args if isinstance(argument, BaseException)), None)
        current = current.__cause__ or current.__context__ or inner
