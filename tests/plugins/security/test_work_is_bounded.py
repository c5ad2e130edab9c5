"""Why no text can make the screen slow: patterns repeat only within bounds, readings stay proportional to the text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.security.signals import SIGNALS, Signal
from plugins.security.unmask import MAX_DECODE_DEPTH, readings

READINGS_PER_LAYER = 8
"""Plain, ROT13, reversed, two of digits for letters, one closed up, letters alone, a percent-decoded copy."""


def unbounded_repeats(pattern: str) -> list[str]:
    """Return `*`, `+` and `{n,}` outside escapes and character classes."""
    bare = re.sub(r"\[\^?(?:\\.|[^\]\\])*\]", "_", re.sub(r"\\.", "_", pattern))
    return re.findall(r"[*+]|\{\d*,\}", bare)


def test_the_check_itself_finds_unbounded_repeats() -> None:
    assert unbounded_repeats(r"a+b*c{2,}[+*]\+\*d{0,3}") == ["+", "*", "{2,}"]


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.pattern.pattern[:40])
def test_no_signal_repeats_without_a_bound(signal: Signal) -> None:
    assert unbounded_repeats(signal.pattern.pattern) == []


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.pattern.pattern[:40])
def test_no_signal_matches_nothing(signal: Signal) -> None:
    assert signal.pattern.search("") is None


@given(st.text(alphabet="aAzZ09 =%\\xu.-_", max_size=600))
def test_readings_stay_proportional_to_the_text(text: str) -> None:
    total = sum(len(reading.words) + len(reading.lines) for reading in readings(text))
    assert total <= 2 * READINGS_PER_LAYER * (MAX_DECODE_DEPTH + 1) * (len(text) + 1)


@pytest.mark.parametrize("unit", ["ignore all ", "a b c d ", "1gn0r3 ", "%41", "41 ", "QUJD", "</system> ", '"x" '])
def test_doubling_a_hostile_text_about_doubles_what_is_read(unit: str) -> None:
    once = sum(len(reading.words) for reading in readings(unit * 200))
    twice = sum(len(reading.words) for reading in readings(unit * 400))
    assert twice <= 2.2 * once
