"""Spending and prices as kernel functions, so that a candidate can ask what the conversation costs.

Every answer is one plain sentence with exact figures. An exception's text would reach the model word for word, so none
leaves these functions.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from semantic_kernel.functions import kernel_function

from plugins.cost.prices import NO_OVERRIDES, OFFLINE, PriceOverride, Tokens, price_usd

MAX_QUESTIONS = 20
"""As many questions as one request may ask for."""

MODEL_CALLS_LOW, MODEL_CALLS_HIGH = 2, 3
"""A turn that makes questions calls the model twice, and once more when triage has to find the specialist first."""

INPUT_TOKENS_PER_CALL_LOW, INPUT_TOKENS_PER_CALL_HIGH = 1_500, 7_500
"""Instructions alone, or with a job description at its longest (20,000 characters) and some conversation."""

OUTPUT_TOKENS_PER_QUESTION_LOW, OUTPUT_TOKENS_PER_QUESTION_HIGH = 250, 1_000
"""A question with its criteria, follow-ups and hints; the high figure leaves room for a model that reasons first."""

_MAX_NAME_CHARACTERS = 80
_NO_MODEL = frozenset({"", "none", "null", "default"})
_SPENDING_FAILED = "What this conversation has cost cannot be read at the moment; please try again later."
_ESTIMATE_FAILED = "An estimate cannot be made at the moment; please try again later."

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Allowance:
    """A budget, and what is left of it."""

    name: str
    """As in "of today's budget"."""
    budget_usd: Decimal
    left_usd: Decimal


@dataclass(frozen=True)
class Spending:
    """What a conversation has used so far. `cost_usd` is None when the price of the model is not known."""

    cost_usd: Decimal | None
    model_calls: int
    input_tokens: int
    output_tokens: int
    question_sets: int
    today_usd: Decimal | None = None
    """The known costs of all conversations of this person since midnight UTC; None says nothing about them."""
    today_unpriced_calls: int = 0
    """Calls of today whose price is not known."""
    allowances: tuple[Allowance, ...] = ()


class CostPlugin:
    """Costs as kernel functions.

    `spending` is called anew for each answer; `model` and `provider` say what the conversation runs on. A
    cloned kernel shares this object, so every agent of a turn reports the same figures.
    """

    def __init__(
        self,
        spending: Callable[[], Awaitable[Spending]],
        model: str,
        provider: str,
        *,
        overrides: Mapping[str, PriceOverride] = NO_OVERRIDES,
    ) -> None:
        self._spending = spending
        self._model = model
        self._provider = provider
        self._overrides = dict(overrides)

    @kernel_function(
        name="spent_so_far",
        description=(
            "Say what this conversation has cost so far, in US dollars, model calls and tokens; what was spent today; "
            "and what is left of the budgets."
        ),
    )
    async def spent_so_far(self) -> str:
        """Return the exact figures in a sentence or two; never raises."""
        try:
            return describe_spending(await self._spending(), model=self._model, provider=self._provider)
        except Exception:  # noqa: BLE001 - nothing may escape into the model's context
            _log.exception("The spending of a conversation could not be read")
            return _SPENDING_FAILED

    @kernel_function(
        name="estimate",
        description="Estimate what a number of interview questions would cost, from the price table.",
    )
    def estimate(
        self,
        question_count: Annotated[str, "How many questions: a whole number from 1 to 20."],
        model: Annotated[str, "Name of a model to price instead of the current one; leave empty otherwise."] = "",
    ) -> str:
        """Return one sentence with a range and its assumptions, or what to pass instead; never raises."""
        try:
            return self._estimate(str(question_count), str(model).strip())
        except Exception:  # noqa: BLE001 - nothing may escape into the model's context
            _log.exception("An estimate could not be made")
            return _ESTIMATE_FAILED

    def _estimate(self, question_count: str, asked_model: str) -> str:
        count = _whole_number(question_count)
        if count is None or not 1 <= count <= MAX_QUESTIONS:
            return f"Please pass question_count as a whole number from 1 to {MAX_QUESTIONS}, such as 5."
        if len(asked_model) > _MAX_NAME_CHARACTERS:
            return "Please pass model as the name of one model, such as gpt-4o, or leave it empty."
        is_current = asked_model.lower() in _NO_MODEL or asked_model == self._model
        if is_current and self._provider == OFFLINE:
            return f"{_questions(count)} cost $0: the offline engine is free."
        model = self._model if is_current else asked_model
        # Another model is not served by the offline engine: its price is what a provider would charge.
        provider = None if self._provider == OFFLINE else self._provider
        prices = [price_usd(model, tokens, provider=provider, overrides=self._overrides) for tokens in _bounds(count)]
        return _describe_estimate(count, model, prices)


def describe_spending(spending: Spending, *, model: str, provider: str) -> str:
    """Return what was spent, and what is left; says plainly when it is free and when a price is not known."""
    used = (
        f"{_counted(spending.model_calls, 'model call')}, {spending.input_tokens:,} input and "
        f"{spending.output_tokens:,} output tokens, {_counted(spending.question_sets, 'question set')}"
    )
    if provider == OFFLINE:
        return f"This conversation has cost $0, because the offline engine is free ({used})."
    if spending.cost_usd is None:
        unknown = f"What this conversation has cost is not known, because the price of {model} is unknown ({used})."
        return unknown + _describe_rest(spending)
    return f"This conversation has cost {dollars(spending.cost_usd)} in {used}.{_describe_rest(spending)}"


def _describe_rest(spending: Spending) -> str:
    """The sentences about the day and the budgets."""
    said = ""
    if spending.today_usd is not None:
        unpriced = spending.today_unpriced_calls
        unknown = f", and {_counted(unpriced, 'model call')} whose price is unknown" if unpriced else ""
        said += f" Today, in all conversations: {dollars(spending.today_usd)}{unknown}."
    for allowance in spending.allowances:
        said += f" Left of {allowance.name}: {dollars(allowance.left_usd)} of {dollars(allowance.budget_usd)}."
    return said


def dollars(amount: Decimal) -> str:
    """Return an exact amount with at least six decimals, as the service's API writes money: 0.00421 is $0.004210."""
    whole, _, fraction = f"{amount:f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(6, '0')}"


def _describe_estimate(count: int, model: str, prices: list[Decimal | None]) -> str:
    low, high = prices
    if low is None or high is None:
        return f"The price of {model} is unknown, so {_questions(count).lower()} cannot be estimated."
    return (
        f"{_questions(count)} with {model} would cost about {dollars(low)} to {dollars(high)}, assuming "
        f"{MODEL_CALLS_LOW} to {MODEL_CALLS_HIGH} model calls with {INPUT_TOKENS_PER_CALL_LOW:,} to "
        f"{INPUT_TOKENS_PER_CALL_HIGH:,} input tokens each and {OUTPUT_TOKENS_PER_QUESTION_LOW:,} to "
        f"{OUTPUT_TOKENS_PER_QUESTION_HIGH:,} output tokens per question."
    )


def _bounds(count: int) -> tuple[Tokens, Tokens]:
    """Tokens of the cheapest and the dearest turn; added up over its calls, for no prompt here nears a price tier."""
    return (
        Tokens(input=MODEL_CALLS_LOW * INPUT_TOKENS_PER_CALL_LOW, output=count * OUTPUT_TOKENS_PER_QUESTION_LOW),
        Tokens(input=MODEL_CALLS_HIGH * INPUT_TOKENS_PER_CALL_HIGH, output=count * OUTPUT_TOKENS_PER_QUESTION_HIGH),
    )


def _whole_number(text: str) -> int | None:
    stripped = text.strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) <= 9 else None


def _questions(count: int) -> str:
    return "One question" if count == 1 else f"{count} questions"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
