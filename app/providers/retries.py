"""How often a failed model call is tried again, and after which wait."""

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Retries:
    """Exponential backoff with jitter, and never sooner than the provider asks."""

    count: int
    """After the first attempt; 0 never tries again."""
    first_wait_seconds: float
    """The longest wait before the first retry. It doubles with each further one."""

    def wait_seconds(self, retry: int, asked_seconds: float | None) -> float:
        """The wait before this retry, counted from 0.

        Between half and the whole of the backoff, so that turns which failed together do not come back together; on
        top of what the provider asks for, which it asks of all of them.
        """
        backoff_seconds = math.ldexp(self.first_wait_seconds, retry)
        return (asked_seconds or 0.0) + backoff_seconds * random.uniform(0.5, 1)  # noqa: S311 - nothing secret


NO_RETRIES = Retries(count=0, first_wait_seconds=0)
