"""Counts, sizes and times as a person says them."""

from __future__ import annotations

import pytest

from app.core.words import (
    age_in_words,
    duration_in_words,
    duration_to_the_second,
    grouped,
    size_in_words,
    wait_in_words,
)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 bytes"),
        (512, "512 bytes"),
        (1000, "0.977 KiB"),
        (1536, "1.5 KiB"),
        (1023 << 10, "0.999 MiB"),
        (1_530_000, "1.46 MiB"),
        (300 << 20, "300 MiB"),
        (300 << 30, "300 GiB"),
        (1500 << 30, "1500 GiB"),
    ],
)
def test_a_size_has_three_digits_and_a_unit(size: int, said: str) -> None:
    assert size_in_words(size) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 s"),
        (1.54, "1.5 s"),
        (9.96, "10 s"),
        (40.4, "40 s"),
        (89.4, "89 s"),
        (90.0, "2 min"),
        (3000.0, "50 min"),
        (9000.0, "2.5 h"),
    ],
)
def test_a_time_has_the_unit_that_suits_it(seconds: float, said: str) -> None:
    assert duration_in_words(seconds) == said


def test_thousands_stand_apart() -> None:
    assert grouped(10_240) == "10 240"
    assert grouped(999) == "999"
    assert grouped(1_234_567.25, 2) == "1 234 567.25"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "a few seconds"),
        (9.9, "a few seconds"),
        (12, "about 10 s"),
        (88, "about 90 s"),
        (90, "about 2 min"),
        (5400, "about 1.5 h"),
    ],
)
def test_a_time_to_wait_in_words(seconds: float, said: str) -> None:
    assert wait_in_words(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "just now"), (9.9, "just now"), (40.0, "40 s ago"), (200.0, "3 min ago")],
)
def test_what_is_long_ago_is_not_counted_in_seconds(seconds: float, said: str) -> None:
    assert age_in_words(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(1.54, "1.5 s"), (725.4, "12 min 5 s"), (7325.0, "2 h 2 min")]
)
def test_a_time_that_is_over_is_told_to_the_second(seconds: float, said: str) -> None:
    assert duration_to_the_second(seconds) == said
