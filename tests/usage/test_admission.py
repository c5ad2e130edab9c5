"""The rule that keeps budgets: what it promises, over every course of calls."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.usage.admission import CallQuota, Funds, Reason, Scope, first_refusal

NANO = Decimal("0.000000001")
AMOUNTS = st.integers(0, 10**10).map(lambda nanos: nanos * NANO)


def funds(spent: str, reserved: str = "0", open_calls: int = 0, *, budget: str = "1", lost: str = "0") -> Funds:
    return Funds(Scope.USER_DAY, Decimal(budget), Decimal(spent), Decimal(reserved), open_calls, Decimal(lost))


@pytest.mark.parametrize(
    ("fund", "bound", "reason"),
    [
        (funds("0"), "0.5", None),
        (funds("0"), "1000", None),  # Alone, a call may use up what is left.
        (funds("0.999999999"), "1000", None),
        (funds("1"), "0.000000001", Reason.SPENT),
        (funds("1"), "0", Reason.SPENT),
        (funds("7", "0.1", 1), "0.1", Reason.SPENT),
        (funds("0", budget="0"), "0.1", Reason.SPENT),
        (funds("0.2", "0.3", 1), "0.5", None),
        (funds("0.2", "0.3", 1), "0.500000001", Reason.HELD),
        (funds("0.2", "0.9", 2), "0", Reason.HELD),
        (funds("0.2", "0.9", 2), None, None),  # Of unknown price: no budget can count it.
        (funds("1", "0", 0), None, Reason.SPENT),
        (funds("0.2", lost="0.7"), "1", None),
        (funds("0.2", lost="0.8"), "0.1", Reason.SPENT),
        (funds("0.2", "0.3", 1, lost="0.4"), "0.2", Reason.HELD),
    ],
)
def test_who_is_admitted(fund: Funds, bound: str | None, reason: Reason | None) -> None:
    assert fund.refusal(None if bound is None else Decimal(bound)) is reason


@given(spent=AMOUNTS, reserved=AMOUNTS, open_calls=st.integers(0, 5), bound=AMOUNTS, budget=AMOUNTS, more=AMOUNTS)
def test_more_money_admits_no_less_and_a_dearer_call_no_more(
    spent: Decimal, reserved: Decimal, *, open_calls: int, bound: Decimal, budget: Decimal, more: Decimal
) -> None:
    reserved = reserved if open_calls else Decimal(0)
    now = Funds(Scope.TURN, budget, spent, reserved, open_calls)
    richer = Funds(Scope.TURN, budget + more, spent, reserved, open_calls)
    if now.refusal(bound) is None:
        assert richer.refusal(bound) is None
    else:
        assert now.refusal(bound + more) is not None
    assert (now.refusal(bound) is Reason.SPENT) == (spent >= budget)
    assert now.left_usd == max(budget - spent, 0)


def test_the_first_budget_that_refuses_is_named() -> None:
    turn = Funds(Scope.TURN, Decimal(1), Decimal("0.5"))
    day = Funds(Scope.USER_DAY, Decimal(1), Decimal(1))
    service = Funds(Scope.SERVICE_DAY, Decimal(1), Decimal(2))
    assert first_refusal([turn, day, service], Decimal("0.1")) == (day, Reason.SPENT)
    assert first_refusal([turn], Decimal("0.1")) is None


@pytest.mark.parametrize(("used", "left"), [(0, 3), (3, 0), (5, 0)])
def test_calls_left_are_never_negative(used: int, left: int) -> None:
    assert CallQuota(limit=3, used=used, seconds=1, has_room=used < 3).left == left


class BudgetMachine(RuleBasedStateMachine):
    """Calls ask, run and end in any order; each costs at most what it reserved."""

    BUDGET = Decimal(1)

    def __init__(self) -> None:
        super().__init__()
        self.spent = Decimal(0)
        self.running: list[Decimal] = []
        """The bounds of the calls that run."""
        self.dearest_alone = Decimal(0)
        """Of the calls that were admitted while nothing ran."""

    def fund(self) -> Funds:
        reserved = sum(self.running, Decimal(0))
        return Funds(Scope.SERVICE_DAY, self.BUDGET, self.spent, reserved, len(self.running))

    @rule(bound=st.integers(1, 3 * 10**9).map(lambda nanos: nanos * NANO))
    def ask(self, bound: Decimal) -> None:
        if self.fund().refusal(bound) is None:
            if not self.running:
                self.dearest_alone = max(self.dearest_alone, bound)
            self.running.append(bound)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 100), percent=st.integers(0, 100))
    def end(self, which: int, percent: int) -> None:
        bound = self.running.pop(which % len(self.running))
        self.spent += bound * percent / 100

    @invariant()
    def the_budget_is_exceeded_by_one_call_at_most(self) -> None:
        assert self.spent + self.fund().reserved_usd <= self.BUDGET + self.dearest_alone

    @invariant()
    def nobody_is_kept_out_for_nothing(self) -> None:
        if not self.running and self.spent < self.BUDGET:
            assert self.fund().refusal(Decimal(1000)) is None


TestBudgetMachine = BudgetMachine.TestCase
