"""Limits on guessing, in the database, so that they hold across replicas.

An attempt is counted before it is made and taken back when it succeeds: of many guesses at the same moment no more pass
than of as many in a row. Accounts are counted by e-mail address, whether they exist or not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts import repository
from app.accounts.keys import KeyRing
from app.accounts.limits import (
    PER_ACCOUNT,
    PER_ADDRESS,
    Attempts,
    Limit,
    attempted,
    network_of,
    taken_back,
    wait_seconds,
)
from app.accounts.models import AttemptCounter
from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import RateLimited

logger = structlog.get_logger(__name__)


class Action(StrEnum):
    """What is counted apart from each other."""

    SIGN_IN = "sign_in"
    """By anybody, so that strangers can lock somebody out of this one."""
    PASSWORD_AGAIN = "password_again"  # noqa: S105 - a name, not a password
    """Somebody signed in shows again who they are: what strangers try elsewhere does not hinder them."""
    REGISTER = "register"
    RESET_REQUEST = "reset_request"
    RESET_CONFIRM = "reset_confirm"


PER_NETWORK = frozenset({Action.RESET_REQUEST, Action.RESET_CONFIRM})
"""Counted for an account and one network together: the way back in must not be closed by strangers. A code protects
itself, by the few tries that it has wherever they come from."""


@dataclass(frozen=True)
class Attempt:
    """Somebody tries something: for which account (a normalised address) and from where."""

    action: Action
    email: str
    client_address: str | None


class Throttle:
    """Counts attempts and refuses those over a limit."""

    def __init__(self, database: Database, keys: KeyRing, *, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._keys = keys
        self._now = now

    async def take(self, attempt: Attempt) -> None:
        """Count the attempt.

        Raises:
            RateLimited: too many of the kind; this one does not count.
        """
        now = self._now()
        async with self._database.transaction() as session:
            # Everybody holds the address's counter first, so that nobody waits in a circle.
            held = [(await repository.held_counter(session, key, now), limit) for key, limit in self._counted(attempt)]
            wait = max(wait_seconds(_attempts(counter), now) for counter, _ in held)
            if wait == 0:
                for counter, limit in held:
                    _keep(counter, attempted(_attempts(counter), limit, now))
        if wait:
            logger.warning("attempts_limited", action=attempt.action.value, wait_seconds=wait)
            raise RateLimited(f"Too many attempts. Try again in {wait} seconds.", retry_after_seconds=wait)

    async def succeeded(self, session: AsyncSession, attempt: Attempt) -> None:
        """In the caller's transaction: it was no guess. The account's failures are forgotten, the address's stay."""
        (address_key, address_limit), (account_key, _) = self._counted(attempt)
        counter = await repository.held_counter(session, address_key, self._now())
        _keep(counter, taken_back(_attempts(counter), address_limit))
        await repository.forget_counters(session, [account_key])

    async def forget_account(self, session: AsyncSession, email: str) -> None:
        """In the caller's transaction: what was tried at this account is forgotten; of resets it stays."""
        # Of resets there is a counter for each network; nobody is named there, and in a day they are tidied away.
        keys = [self._account_key(Attempt(action, email, None)) for action in Action if action not in PER_NETWORK]
        await repository.forget_counters(session, keys)

    def _counted(self, attempt: Attempt) -> tuple[tuple[str, Limit], tuple[str, Limit]]:
        network = network_of(attempt.client_address)
        by_address = self._keys.keyed_hash("attempts", attempt.action, "address", network)
        return (by_address, PER_ADDRESS), (self._account_key(attempt), PER_ACCOUNT)

    def _account_key(self, attempt: Attempt) -> str:
        where = [network_of(attempt.client_address)] if attempt.action in PER_NETWORK else []
        return self._keys.keyed_hash("attempts", attempt.action, "account", attempt.email, *where)


def _attempts(counter: AttemptCounter) -> Attempts:
    return Attempts(counter.attempts, counter.last_at if counter.attempts else None, counter.blocked_until)


def _keep(counter: AttemptCounter, attempts: Attempts) -> None:
    counter.attempts = attempts.count
    counter.last_at = attempts.last_at or counter.last_at
    counter.blocked_until = attempts.blocked_until
