"""The one place that reads the wall clock."""

from datetime import UTC, date, datetime, time


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def midnight(day: date) -> datetime:
    """When the UTC day begins."""
    return datetime.combine(day, time(), tzinfo=UTC)
