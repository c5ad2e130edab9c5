"""What a provider's exception means, for those that no scripted answer brings about; the others are tests of turns."""

import httpx2
import openai
import pytest

from app.core.errors import AnswerBrokenOff, BudgetExhausted, GreenroomError, ProviderError, ProviderUnavailable
from app.providers.failures import provider_failure

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")
MID_STREAM = openai.APIError("The server had an error", request=REQUEST, body={"code": "server_error"})
TIMED_OUT = openai.APITimeoutError(request=REQUEST)
READ_ERROR = httpx2.ReadError("reset")


def wrapped(error: BaseException) -> BaseException:
    """As Semantic Kernel passes an exception of the client on."""
    outer = RuntimeError("service failed to complete the prompt", error)
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "has_begun", "kind"),
    [
        (MID_STREAM, True, AnswerBrokenOff),
        (MID_STREAM, False, AnswerBrokenOff),
        (TIMED_OUT, False, ProviderUnavailable),
        (TIMED_OUT, True, AnswerBrokenOff),
        (READ_ERROR, True, AnswerBrokenOff),
        (READ_ERROR, False, ProviderUnavailable),
        (ConnectionResetError(), False, ProviderUnavailable),
    ],
)
def test_what_may_pass_is_worth_another_attempt_and_another_model(
    error: BaseException, kind: type[GreenroomError], *, has_begun: bool
) -> None:
    failure = provider_failure(wrapped(error), has_begun=has_begun)
    assert type(failure.error) is kind
    assert failure.is_passing
    assert failure.is_model_away


@pytest.mark.parametrize("error", [ValueError("no JSON"), KeyError("choices")])
def test_what_cannot_be_read_is_neither(error: Exception) -> None:
    failure = provider_failure(error, has_begun=True)
    assert type(failure.error) is ProviderError
    assert not failure.is_passing
    assert not failure.is_model_away


def test_an_error_of_ours_stays_what_it_is() -> None:
    ours = BudgetExhausted("Used up.", retry_after_seconds=7)
    failure = provider_failure(wrapped(ours))
    assert failure.error is ours
    assert not failure.is_passing
