"""How long a retry waits: backoff with jitter, and what the provider asks for in all forms of `Retry-After`."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.clock import utc_now
from app.providers.failures import asked_wait_seconds
from app.providers.retries import Retries


@given(first=st.floats(0, 60), retry=st.integers(0, 5), asked=st.none() | st.floats(0, 3600))
def test_a_wait_is_half_to_all_of_the_backoff_on_top_of_what_is_asked(
    first: float, retry: int, asked: float | None
) -> None:
    wait = Retries(count=5, first_wait_seconds=first).wait_seconds(retry, asked)
    backoff, least = first * 2**retry, asked or 0.0
    assert least + 0.49 * backoff <= wait <= least + 1.01 * backoff


def test_turns_that_fail_together_do_not_come_back_together() -> None:
    retries = Retries(count=2, first_wait_seconds=1)
    assert len({retries.wait_seconds(0, 20) for _ in range(50)}) > 40


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("20", 20.0),
        ("0.25", 0.25),
        ("86400", 3600.0),
        ("inf", 3600.0),
        *(
            (nothing, None)
            for nothing in ("", "0", "-5", "nan", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "99 Foo 2026")
        ),
    ],
)
def test_a_wait_in_seconds_is_read_and_nonsense_is_none(value: str, seconds: float | None) -> None:
    assert asked_wait_seconds({"retry-after": value}) == seconds


def test_a_wait_until_a_date_is_read() -> None:
    date = format_datetime(utc_now() + timedelta(seconds=90), usegmt=True)
    assert 80 < (asked_wait_seconds({"retry-after": date}) or 0) <= 90


def test_without_the_field_nothing_is_asked() -> None:
    assert asked_wait_seconds({}) is None
