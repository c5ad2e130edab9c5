"""The limits as they stand: what the ledger says about each, and the refusal where there is no room."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import midnight, utc_now
from app.core.config import Settings
from app.core.errors import BudgetExhausted, RateLimited
from app.usage import repository
from app.usage.admission import CallQuota, Funds, Reason, Scope, first_refusal
from app.usage.repository import RowFilter

HOUR = timedelta(hours=1)
DAY_SECONDS = 86_400
LOST_GRACE_SECONDS = 60
"""A call that is open for longer than a turn may take, and this, belonged to a process that died."""

HELD_SECONDS = 5
"""What a client is told to wait for calls that run."""

_BUDGETS = {
    Scope.TURN: ("the budget of a turn", "Ask for less, or have the operator raise BUDGET_USD_PER_TURN."),
    Scope.CONVERSATION: (
        "this conversation's budget",
        "Start a new conversation, or have the operator raise BUDGET_USD_PER_CONVERSATION.",
    ),
    Scope.USER_DAY: ("your budget of today", "It starts again at midnight UTC."),
    Scope.SERVICE_DAY: ("today's budget of the service", "It starts again at midnight UTC."),
}


@dataclass(frozen=True)
class CallScope:
    """On whose account a call goes."""

    owner_id: UUID
    conversation_id: UUID | None = None
    turn_id: UUID | None = None
    comparison_id: UUID | None = None
    """Comparisons are no turns, but are held to the budget of one."""


@dataclass(frozen=True)
class LimitState:
    """Every limit that applies to a scope, as it stands."""

    calls: CallQuota
    funds: tuple[Funds, ...]

    def fund(self, scope: Scope) -> Funds | None:
        """The budget for this scope, if there is one."""
        return next((fund for fund in self.funds if fund.scope is scope), None)


class Limits:
    """Reads limits inside the caller's transaction. Whoever then books must hold `repository.lock_limits`."""

    def __init__(self, settings: Settings) -> None:
        self._calls_per_hour = settings.rate_limit_calls_per_hour
        self._lost_after = timedelta(seconds=settings.turn_deadline_seconds + LOST_GRACE_SECONDS)
        self._budgets = {
            Scope.TURN: settings.budget_usd_per_turn,
            Scope.CONVERSATION: settings.budget_usd_per_conversation,
            Scope.USER_DAY: settings.budget_usd_per_user_day,
            Scope.SERVICE_DAY: settings.budget_usd_per_day,
        }

    @property
    def concern_everybody(self) -> bool:
        """Whether one user's calls may leave no room for another's."""
        return self._budgets[Scope.SERVICE_DAY] is not None

    def lost_before(self, now: datetime) -> datetime:
        """A call that started before then and is still open has been lost."""
        return now - self._lost_after

    async def state(self, session: AsyncSession, scope: CallScope, *, calls: int = 1) -> LimitState:
        """Every limit, with room for so many calls asked for."""
        return LimitState(await self.quota(session, scope.owner_id, calls=calls), await self.funds(session, scope))

    async def of_user(self, session: AsyncSession, owner_id: UUID) -> LimitState:
        """The limits that are the user's own, for the user to see."""
        funds = await self._read(
            session, {Scope.USER_DAY: RowFilter(owner_id=owner_id, since=midnight(utc_now().date()))}
        )
        return LimitState(await self.quota(session, owner_id), funds)

    async def quota(self, session: AsyncSession, owner_id: UUID, *, calls: int = 1) -> CallQuota:
        """The hourly limit."""
        now, limit = utc_now(), self._calls_per_hour
        used, first = await repository.calls_since(session, owner_id, now - HOUR)
        has_room = used + calls <= limit
        # There is room when this call is an hour old; with more asked for than the limit is, when all of them are.
        leaving = first if has_room else await repository.nth_newest_call(session, owner_id, max(limit - calls, 0) + 1)
        seconds = ceil((leaving + HOUR - now).total_seconds()) if leaving else int(HOUR.total_seconds())
        return CallQuota(limit=limit, used=used, seconds=max(seconds, 1), has_room=has_room)

    async def funds(self, session: AsyncSession, scope: CallScope) -> tuple[Funds, ...]:
        """Every budget that is set and applies, the narrowest first."""
        today = midnight(utc_now().date())
        rows = {Scope.USER_DAY: RowFilter(owner_id=scope.owner_id, since=today)}
        if scope.conversation_id is not None:
            # Of the owner: what somebody else's conversation has cost is nobody's business.
            rows[Scope.CONVERSATION] = RowFilter(owner_id=scope.owner_id, conversation_id=scope.conversation_id)
        if scope.turn_id is not None or scope.comparison_id is not None:
            rows[Scope.TURN] = RowFilter(turn_id=scope.turn_id, comparison_id=scope.comparison_id)
        rows[Scope.SERVICE_DAY] = RowFilter(since=today)
        return await self._read(session, rows)

    async def _read(self, session: AsyncSession, rows: Mapping[Scope, RowFilter]) -> tuple[Funds, ...]:
        stale_before = self.lost_before(utc_now())
        found = []
        for scope in Scope:
            budget_usd = self._budgets[scope]
            if budget_usd is not None and scope in rows:
                sums = await repository.figures(session, rows[scope], stale_before=stale_before)
                found.append(Funds(scope, budget_usd, **asdict(sums)))
        return tuple(found)


def check_room(state: LimitState, *, bound_usd: Decimal | None, calls: int = 1) -> None:
    """Refuse what there is no room for: so many calls, each of which may cost so much.

    Raises:
        RateLimited: the calls of the last hour are used up.
        BudgetExhausted: a budget is, or calls that run hold the rest of it.
    """
    if not state.calls.has_room:
        raise _too_many(state, calls)
    if (refusal := first_refusal(state.funds, bound_usd)) is not None:
        raise _over_budget(state, *refusal)


def limit_headers(state: LimitState) -> dict[str, str]:
    """The hourly limit and the user's day as RateLimit header fields, after draft-ietf-httpapi-ratelimit-headers-10.

    The service's own budget is not shown: what others have spent is nobody's business. Money is in whole micro-dollars.
    """
    quota = state.calls
    policies = [f'"calls";q={quota.limit};w={int(HOUR.total_seconds())}']
    states = [f'"calls";r={quota.left};t={quota.seconds}']
    if (fund := state.fund(Scope.USER_DAY)) is not None:
        policies.append(f'"{fund.scope}";q={_micros(fund.budget_usd)};w={DAY_SECONDS};qu="microdollars"')
        states.append(f'"{fund.scope}";r={_micros(fund.left_usd)};t={seconds_to_midnight(utc_now())}')
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}


def seconds_to_midnight(now: datetime) -> int:
    """Until the UTC day ends; at least one."""
    return max(ceil((midnight(now.date()) + timedelta(days=1) - now).total_seconds()), 1)


def budget_name(scope: Scope) -> str:
    """The budget in a sentence."""
    return _BUDGETS[scope][0]


def _too_many(state: LimitState, calls: int) -> RateLimited:
    quota = state.calls
    if calls > quota.limit:
        detail = f"This needs room for {calls} model calls, and the limit is {quota.limit} per hour. Ask for less."
    else:
        detail = (
            f"The limit of {quota.limit} model calls per hour has no room for "
            f"{'this' if calls == 1 else f'the {calls} calls of this'}. Try again in {quota.seconds} seconds."
        )
    error = RateLimited(detail, retry_after_seconds=quota.seconds)
    error.headers = limit_headers(state)
    return error


def _over_budget(state: LimitState, fund: Funds, reason: Reason) -> BudgetExhausted:
    name, advice = _BUDGETS[fund.scope]
    if reason is Reason.HELD:
        detail = (
            f"Model calls that run at the moment may use up {name}, ${fund.budget_usd}. "
            "Try again when they have ended, in a few seconds."
        )
        wait = HELD_SECONDS
    else:
        detail = f"{name[0].upper()}{name[1:]}, ${fund.budget_usd}, is used up. {advice}"
        wait = _reset_seconds(fund.scope)
    error = BudgetExhausted(detail, retry_after_seconds=wait)
    error.headers = limit_headers(state)
    return error


def _reset_seconds(scope: Scope) -> int:
    """Until the budget is there again. No waiting helps a conversation; a turn may be sent again, asking for less."""
    match scope:
        case Scope.TURN:
            return 1
        case Scope.CONVERSATION:
            return DAY_SECONDS
        case Scope.USER_DAY | Scope.SERVICE_DAY:
            return seconds_to_midnight(utc_now())


def _micros(amount_usd: Decimal) -> int:
    return int(amount_usd * 1_000_000)
