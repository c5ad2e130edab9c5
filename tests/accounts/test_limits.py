"""How often something may be tried."""

from datetime import UTC, datetime, timedelta

import pytest

from app.accounts.limits import PER_ACCOUNT, PER_ADDRESS, Attempts, attempted, network_of, taken_back, wait_seconds

START = datetime(2026, 1, 1, tzinfo=UTC)


def guess(limit_hours: float) -> list[float]:
    """When, in minutes, somebody who never stops gets a guess through."""
    so_far, now, passed = Attempts(), START, []
    while now < START + timedelta(hours=limit_hours):
        if wait := wait_seconds(so_far, now):
            now += timedelta(seconds=wait)
            continue
        so_far = attempted(so_far, PER_ACCOUNT, now)
        passed.append((now - START).total_seconds() / 60)
    return passed


def test_five_pass_and_then_each_wait_is_twice_the_one_before() -> None:
    assert guess(4)[:11] == [0, 0, 0, 0, 0, 1, 3, 7, 15, 31, 63]
    assert len(guess(24)) < 35


def test_a_quiet_quarter_of_an_hour_forgets_but_not_for_whoever_had_to_wait() -> None:
    four = Attempts(count=4, last_at=START)
    assert attempted(four, PER_ACCOUNT, START + timedelta(minutes=14)).count == 5
    assert attempted(four, PER_ACCOUNT, START + timedelta(minutes=15)).count == 1
    blocked = Attempts(count=7, last_at=START, blocked_until=START)
    assert attempted(blocked, PER_ACCOUNT, START + timedelta(hours=23)).count == 8
    assert attempted(blocked, PER_ACCOUNT, START + timedelta(hours=24)).count == 1


def test_an_attempt_that_was_no_failure_is_taken_back_with_its_wait() -> None:
    almost = Attempts(count=PER_ADDRESS.attempts - 1, last_at=START)
    full = attempted(almost, PER_ADDRESS, START)
    assert wait_seconds(full, START) == 60
    assert taken_back(full, PER_ADDRESS) == almost
    assert taken_back(Attempts(), PER_ADDRESS) == Attempts()


def test_no_count_is_too_high() -> None:
    assert wait_seconds(attempted(Attempts(10_000, START), PER_ACCOUNT, START), START) == 3600


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_an_address_is_counted_with_its_network(address: str | None, network: str) -> None:
    assert network_of(address) == network
