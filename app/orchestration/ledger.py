"""What a turn knows of the ledger: every model call is reserved before it is made, and settled when it has ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from app.core.tokens import most_tokens
from app.orchestration.events import ModelCall
from app.providers.metered import CallPlan, MeasuredCall
from plugins.cost.plugin import Spending
from plugins.cost.prices import OFFLINE, PriceOverride, Tokens, context_window, list_price, output_limit, price_usd

AGENT_OUTPUT_TOKENS = 4_096
"""As much as an agent may answer. It decides, or says a few sentences; the rest is room for a model that reasons."""

QUESTION_OUTPUT_TOKENS, REASONING_OUTPUT_TOKENS = 1_500, 8_000
"""As much as a technique may answer: for each question, and once for recommendations and reasoning."""

SILENT_TOKENS_PER_SECOND = 200
"""As fast as a model is taken to think where nobody says how much it did: faster than most are, to be on the safe side.
"""


@dataclass(frozen=True)
class PlannedCall:
    """A model call that is about to be made. The tokens are upper bounds."""

    provider: str
    model: str
    agent: str
    function: str | None
    input_tokens: int
    output_tokens: int
    bound_usd: Decimal | None
    """What it may cost at most; None where the price of the model is unknown."""


Booking = UUID | None
"""A reserved row of the ledger; None where nothing needs to be reserved."""


class Ledger(Protocol):
    """The ledger as one turn sees it: bound to the turn, its conversation and their owner."""

    async def reserve(self, planned: PlannedCall) -> Booking:
        """Take room for the call, before it is made.

        Raises:
            RateLimited, BudgetExhausted: there is no room. Nothing is booked.
        """
        ...

    async def settle(self, booking: Booking, call: ModelCall) -> None:
        """Book the call, which has ended; stored when this returns, also when the caller is cancelled meanwhile."""
        ...

    async def spending(self) -> Spending:
        """What the conversation has cost, this turn's ended calls included, and what is left."""
        ...


@dataclass(frozen=True)
class OutputCap:
    """How long an answer may become."""

    sent: int | None
    """The maximum to ask the model for; None sends none."""
    bound: int
    """As many tokens as are reserved."""


def output_cap(
    model: str,
    provider: str,
    *,
    wanted: int,
    asked: int | None = None,
    context_tokens: int,
    overrides: Mapping[str, PriceOverride],
) -> OutputCap:
    """The cap for a kind of call that should need no more than `wanted`, where the request asks for `asked` at most.

    A runaway answer costs money, so a model with a known price gets a maximum; but a maximum that the model does not
    take fails the call, so none is sent where the model's own is unknown, or where it may not fit the context window
    beside the input. The window then ends the answer, and `bound` is the least of what is known.
    """
    if provider == OFFLINE or list_price(model, provider, overrides=overrides) is None:
        return OutputCap(sent=asked, bound=asked or wanted)
    limit, window = output_limit(model), context_window(model, provider)
    ceiling = min(tokens for tokens in (wanted, asked, limit) if tokens is not None)
    # The input is kept within `context_tokens` by an estimate, which may be half of the truth.
    is_safe = limit is not None and (window is None or 2 * context_tokens + ceiling <= window)
    sent = ceiling if is_safe else asked
    if sent is not None:
        return OutputCap(sent=sent, bound=sent)
    return OutputCap(sent=None, bound=min([tokens for tokens in (limit, window) if tokens is not None] or [wanted]))


def planned_call(
    plan: CallPlan,
    *,
    provider: str,
    model: str,
    agent: str,
    function: str | None,
    output_bound: int,
    overrides: Mapping[str, PriceOverride],
) -> PlannedCall:
    """The reservation for a request; `output_bound` counts where the request itself sets no maximum."""
    tokens = Tokens(input=most_tokens(plan.request_bytes), output=plan.max_output_tokens or output_bound)
    return PlannedCall(
        provider=provider,
        model=model,
        agent=agent,
        function=function,
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        bound_usd=price_usd(model, tokens, provider=provider, overrides=overrides),
    )


def booked_output_tokens(call: MeasuredCall, *, output_bound: int) -> int:
    """The output to book for a call that ended, where `output_bound` tokens were reserved.

    A call that was stopped or broke off comes without usage, and a reasoning model may have thought for a minute
    without a word: booked by what was seen, it would be free, and no budget would hold whoever stops each call. The
    reservation is as much as it can have been, but would charge an answer of thousands of tokens to somebody who
    changed their mind after a second. So it is what the model can have written in the time, within the reservation.
    """
    if call.is_complete or not call.is_estimated:
        return call.output_tokens
    in_the_time = -(-call.duration_ms * SILENT_TOKENS_PER_SECOND // 1000)
    return max(call.output_tokens, min(in_the_time, output_bound))


def technique_output_tokens(question_count: int) -> int:
    """As much as a technique, or its repair, may answer for so many questions."""
    return question_count * QUESTION_OUTPUT_TOKENS + REASONING_OUTPUT_TOKENS
