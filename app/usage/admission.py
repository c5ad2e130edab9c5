"""Whether a model call may start: pure rules over what the ledger says. No clock, no database.

A call that starts *reserves* what it may cost at most; the reservation counts until the call has ended and its cost is
known. A call is admitted when what was spent, what is reserved and its own bound fit the budget together, or when it is
alone: with nothing running in that scope, what is left may be used up. A budget is therefore exceeded by one call at
most, however many start at the same time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Scope(StrEnum):
    """What a budget is for. The narrowest is looked at first."""

    TURN = "turn"
    """A turn, or a comparison."""
    CONVERSATION = "conversation"
    USER_DAY = "user-day"
    """One user's UTC day."""
    SERVICE_DAY = "service-day"
    """Everybody's UTC day."""


class Reason(StrEnum):
    """Why a budget refuses a call."""

    SPENT = "spent"
    HELD = "held"
    """Something is left, but calls that run have reserved it."""


@dataclass(frozen=True)
class Funds:
    """One budget, and what the ledger says about it."""

    scope: Scope
    budget_usd: Decimal
    spent_usd: Decimal = Decimal(0)
    """By calls that have ended."""
    reserved_usd: Decimal = Decimal(0)
    """By calls that run."""
    open_calls: int = 0
    """Calls that run and may cost something."""
    lost_usd: Decimal = Decimal(0)
    """Reserved by calls whose process died and that nobody has settled yet. Spent, for all that anybody knows."""

    @property
    def left_usd(self) -> Decimal:
        """What no ended call has taken; never negative."""
        return max(self.budget_usd - self.spent_usd, Decimal(0))

    def refusal(self, bound_usd: Decimal | None) -> Reason | None:
        """Why a call that may cost so much is refused, or None when it is admitted.

        A bound of None is a call of unknown price: no budget can count it, so it is refused only when nothing is left.
        """
        taken_usd = self.spent_usd + self.lost_usd
        if taken_usd >= self.budget_usd:
            return Reason.SPENT
        if bound_usd is None or self.open_calls == 0:
            return None
        fits = taken_usd + self.reserved_usd + bound_usd <= self.budget_usd
        return None if fits else Reason.HELD


def first_refusal(funds: Iterable[Funds], bound_usd: Decimal | None) -> tuple[Funds, Reason] | None:
    """The first budget that refuses the call, with the reason, or None when all admit it."""
    for fund in funds:
        if (reason := fund.refusal(bound_usd)) is not None:
            return fund, reason
    return None


@dataclass(frozen=True)
class CallQuota:
    """The hourly limit on one user's model calls; a window that slides, so places become free one by one."""

    limit: int
    used: int
    seconds: int
    """Until there is room again for what was asked for, or, when there is room now, until the next place is free."""
    has_room: bool
    """Whether what was asked for may start now."""

    @property
    def left(self) -> int:
        """Calls that may start now."""
        return max(self.limit - self.used, 0)
