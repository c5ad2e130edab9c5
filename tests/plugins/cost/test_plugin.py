"""Costs as the model meets them: exact sentences, and never an exception."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from semantic_kernel import Kernel
from semantic_kernel.functions import KernelArguments

from plugins.cost.plugin import Allowance, CostPlugin, Spending, dollars
from plugins.cost.prices import PriceOverride

SPENT = Spending(cost_usd=Decimal("0.004210000"), model_calls=3, input_tokens=2_100, output_tokens=850, question_sets=1)


def fixed(*spendings: Spending) -> Callable[[], Awaitable[Spending]]:
    """A ledger that says these, one after the other."""
    said = iter(spendings)

    async def read() -> Spending:
        return next(said)

    return read


async def ask(plugin: CostPlugin, function_name: str, **arguments: object) -> str:
    kernel = Kernel()
    kernel.add_plugin(plugin, plugin_name="cost")
    # Every agent of a turn works on a clone, so the clone is what must answer.
    result = await kernel.clone().invoke(
        plugin_name="cost", function_name=function_name, arguments=KernelArguments(None, **arguments)
    )
    return str(result)


async def test_spending_is_told_with_exact_figures() -> None:
    answer = await ask(CostPlugin(fixed(SPENT), "gpt-4o", "openai"), "spent_so_far")
    assert answer == (
        "This conversation has cost $0.004210 in 3 model calls, 2,100 input and 850 output tokens, 1 question set."
    )


async def test_today_and_what_is_left_are_told_too() -> None:
    spent = replace(
        SPENT,
        today_usd=Decimal("0.01"),
        today_unpriced_calls=1,
        allowances=(Allowance("your budget of today", Decimal(2), Decimal("1.99")),),
    )
    answer = await ask(CostPlugin(fixed(spent), "gpt-4o", "openai"), "spent_so_far")
    assert answer.endswith(
        " 1 question set. Today, in all conversations: $0.010000, and 1 model call whose price is unknown. "
        "Left of your budget of today: $1.990000 of $2.000000."
    )
    unpriced = replace(spent, cost_usd=None)
    assert "$1.990000 of $2.000000" in await ask(CostPlugin(fixed(unpriced), "llama3.2", "compatible"), "spent_so_far")


async def test_an_unknown_price_is_said_plainly() -> None:
    spending = Spending(None, 1, 10, 5, 0)
    answer = await ask(CostPlugin(fixed(spending), "llama3.2", "compatible"), "spent_so_far")
    assert "not known, because the price of llama3.2 is unknown" in answer
    assert "1 model call, 10 input and 5 output tokens, 0 question sets" in answer
    assert "$" not in answer


async def test_the_offline_engine_is_said_to_be_free() -> None:
    answer = await ask(CostPlugin(fixed(SPENT), "offline", "offline"), "spent_so_far")
    assert answer.startswith("This conversation has cost $0, because the offline engine is free")


async def test_spending_is_read_anew_for_every_answer() -> None:
    plugin = CostPlugin(fixed(SPENT, Spending(Decimal("0.0052"), 4, 2_500, 900, 1)), "gpt-4o", "openai")
    assert "$0.004210" in await ask(plugin, "spent_so_far")
    assert "$0.005200 in 4 model calls" in await ask(plugin, "spent_so_far")


async def test_a_failing_ledger_becomes_a_sentence_without_its_error(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> Spending:
        raise RuntimeError("postgres://user:password@host")

    answer = await ask(CostPlugin(broken, "gpt-4o", "openai"), "spent_so_far")
    assert answer == "What this conversation has cost cannot be read at the moment; please try again later."
    assert "could not be read" in caplog.text


async def test_an_estimate_is_a_range_with_its_assumptions() -> None:
    answer = await ask(CostPlugin(fixed(SPENT), "gpt-4o", "openai"), "estimate", question_count="5")
    # 3,000 input and 1,250 output tokens at least; 22,500 and 5,000 at most; $2.50 and $10 a million.
    assert answer == (
        "5 questions with gpt-4o would cost about $0.020000 to $0.106250, assuming 2 to 3 model calls with 1,500 to "
        "7,500 input tokens each and 250 to 1,000 output tokens per question."
    )


@pytest.mark.parametrize("model", ["", "None", "gpt-4o"])
async def test_leaving_the_model_out_means_the_current_one(model: str) -> None:
    answer = await ask(CostPlugin(fixed(SPENT), "gpt-4o", "openai"), "estimate", question_count=1, model=model)
    assert answer.startswith("One question with gpt-4o would cost about $")


async def test_an_unknown_model_is_never_guessed() -> None:
    plugin = CostPlugin(fixed(SPENT), "gpt-4o", "openai")
    answer = await ask(plugin, "estimate", question_count="5", model="gpt-99")
    assert answer == "The price of gpt-99 is unknown, so 5 questions cannot be estimated."


async def test_offline_estimates_are_free_but_another_model_has_its_price() -> None:
    plugin = CostPlugin(fixed(SPENT), "offline", "offline")
    assert await ask(plugin, "estimate", question_count="3") == "3 questions cost $0: the offline engine is free."
    other = await ask(plugin, "estimate", question_count="3", model="gpt-4o")
    assert other.startswith("3 questions with gpt-4o would cost about $0.0")


async def test_prices_from_settings_reach_estimates() -> None:
    overrides = {"our-deployment": PriceOverride(Decimal(1), None, Decimal(1))}
    plugin = CostPlugin(fixed(SPENT), "our-deployment", "azure", overrides=overrides)
    assert "$0.003250 to $0.023500" in await ask(plugin, "estimate", question_count="1")


@pytest.mark.parametrize("count", ["", "0", "21", "-3", "five", "2.5", "9" * 400, "٣", [1], None])
async def test_a_bad_count_is_answered_with_what_to_pass(count: object) -> None:
    answer = await ask(CostPlugin(fixed(SPENT), "gpt-4o", "openai"), "estimate", question_count=count)
    assert answer == "Please pass question_count as a whole number from 1 to 20, such as 5."


async def test_a_bad_model_name_is_answered_with_what_to_pass() -> None:
    plugin = CostPlugin(fixed(SPENT), "gpt-4o", "openai")
    answer = await ask(plugin, "estimate", question_count="5", model="x" * 500)
    assert answer == "Please pass model as the name of one model, such as gpt-4o, or leave it empty."


def test_the_model_sees_plain_described_strings() -> None:
    kernel = Kernel()
    kernel.add_plugin(CostPlugin(fixed(SPENT), "gpt-4o", "openai"), plugin_name="cost")
    functions = {function.name: function for function in kernel.get_full_list_of_function_metadata()}
    assert set(functions) == {"spent_so_far", "estimate"}
    assert [(p.name, p.type_, p.is_required) for p in functions["estimate"].parameters] == [
        ("question_count", "str", True),
        ("model", "str", False),
    ]


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "$0.000000"), ("0.00421", "$0.004210"), ("1.234567891", "$1.234567891"), ("12", "$12.000000")],
)
def test_dollars_are_exact_with_at_least_six_decimals(amount: str, text: str) -> None:
    assert dollars(Decimal(amount)) == text
