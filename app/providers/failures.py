"""What a provider's exception means for the client: our error, with no text of the provider's in it."""

import math
from collections.abc import Iterator, Mapping

import httpx2
import openai

from app.core.errors import GreenroomError, ProviderError, ProviderUnavailable

RETRY_AFTER_SECONDS = 20
"""What a client is told where the provider does not say."""


def provider_failure(error: BaseException, *, has_begun: bool = False) -> GreenroomError:
    """Translate whatever Semantic Kernel or the client raised while a model was called.

    Semantic Kernel wraps some of the client's exceptions, so the whole chain of causes is looked through. A connection
    that is lost after the answer has begun is a failure of the answer, not of the way to the provider.
    """
    for cause in _causes(error):
        if isinstance(cause, GreenroomError):
            return cause
        if not has_begun and isinstance(cause, openai.APIConnectionError | ConnectionError):
            return ProviderUnavailable(
                "The model provider cannot be reached. Send it again in a moment.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        if isinstance(cause, openai.APIStatusError):
            return _status_failure(cause)
    return ProviderError("The model provider broke off or sent something unreadable. Try again.")


def costs_nothing(error: BaseException) -> bool:
    """Whether a call that failed before its answer began cannot have been charged.

    Only the provider's own refusal is sure, and a connection that was never made. Where a connection broke or went
    silent later, the provider may have read the request and worked on the answer.
    """
    unsent = httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout
    return any(isinstance(cause, openai.APIStatusError | unsent) for cause in _causes(error))


def _status_failure(error: openai.APIStatusError) -> GreenroomError:
    if error.status_code in {429, 503, 529}:
        return ProviderUnavailable(
            "The model provider is overloaded. Send it again in a moment.",
            retry_after_seconds=math.ceil(asked_wait_seconds(error.response.headers) or RETRY_AFTER_SECONDS),
        )
    if error.status_code in {401, 403}:
        return ProviderError(
            "The model provider refused the service's key. The operator must check the key's settings."
        )
    if error.status_code == 404:
        return ProviderError("The model provider does not know the model. The operator must check DEFAULT_MODEL.")
    if error.status_code == 400:
        return ProviderError("The model provider rejected the request. Try a shorter message or another model.")
    return ProviderError("The model provider failed, also after retries. Try again.")


def asked_wait_seconds(headers: Mapping[str, str]) -> float | None:
    """The provider's `Retry-After` where it is a number of seconds, at most an hour; None otherwise."""
    try:
        wait = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(wait, 3600.0) if wait > 0 else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        # Semantic Kernel passes the client's exception as an argument as well as a cause.
        inner = next((argument for argument in current.args if isinstance(argument, BaseException)), None)
        current = current.__cause__ or current.__context__ or inner
