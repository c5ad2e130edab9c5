"""How often something may be tried: values in, values out; `throttle` keeps them in the database."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

IPV6_PREFIX = 64
"""What one customer gets: whoever has one address there has all of them."""


@dataclass(frozen=True)
class Limit:
    """So many attempts freely, then one after each wait, and every wait is twice the one before."""

    attempts: int
    window: timedelta
    """Quiet for so long, and all is forgotten, as long as nothing had to wait."""
    first_wait: timedelta = timedelta(minutes=1)
    longest_wait: timedelta = timedelta(hours=1)
    memory: timedelta = timedelta(days=1)
    """The same for whoever had to wait."""


@dataclass(frozen=True)
class Attempts:
    """What has been tried so far under one key."""

    count: int = 0
    last_at: datetime | None = None
    blocked_until: datetime | None = None


PER_ACCOUNT = Limit(attempts=5, window=timedelta(minutes=15))
PER_ADDRESS = Limit(attempts=50, window=timedelta(hours=1))
LONGEST_MEMORY = max(PER_ACCOUNT.memory, PER_ADDRESS.memory)


def wait_seconds(so_far: Attempts, now: datetime) -> int:
    """How long until something may be tried again; 0 when it may be now."""
    if so_far.blocked_until is None or so_far.blocked_until <= now:
        return 0
    return ceil((so_far.blocked_until - now).total_seconds())


def attempted(so_far: Attempts, limit: Limit, now: datetime) -> Attempts:
    """The same after one more attempt, which was allowed."""
    memory = limit.memory if so_far.count >= limit.attempts else limit.window
    is_forgotten = so_far.last_at is None or now - so_far.last_at >= memory
    count = 1 if is_forgotten else so_far.count + 1
    return _counted(count, limit, now)


def taken_back(so_far: Attempts, limit: Limit) -> Attempts:
    """The same without its last attempt, which was no failure after all."""
    if so_far.last_at is None or so_far.count == 0:
        return so_far
    return replace(_counted(so_far.count - 1, limit, so_far.last_at), last_at=so_far.last_at)


def _counted(count: int, limit: Limit, now: datetime) -> Attempts:
    if count < limit.attempts:
        return Attempts(count, now)
    # No power beyond what the longest wait needs: the count has no bound.
    wait = min(limit.first_wait * 2 ** min(count - limit.attempts, 20), limit.longest_wait)
    return Attempts(count, now, now + wait)


def network_of(address: str | None) -> str:
    """What an attempt is counted under: the address, or for IPv6 its network."""
    try:
        found = ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is None:
            return str(ip_network((found, IPV6_PREFIX), strict=False))
        found = found.ipv4_mapped
    return str(found)
