"""Days are those of UTC."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.core.clock import midnight


@given(moment=st.datetimes(timezones=st.just(UTC), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001 - Hypothesis adds it
def test_a_moment_lies_between_the_midnight_of_its_day_and_the_next(moment: datetime) -> None:
    assert midnight(moment.date()) <= moment < midnight(moment.date() + timedelta(days=1))


def test_the_last_day_has_a_midnight_too() -> None:
    assert midnight(date.max) == datetime(9999, 12, 31, tzinfo=UTC)
