"""How many threads compute."""

from __future__ import annotations

import os

import pytest

from app.core import threads


@pytest.mark.parametrize(
    ("cores", "window", "expected"), [(1, 1, 1), (1, 0, 1), (4, 1, 3), (4, 0, 4)]
)
def test_the_window_keeps_a_core_where_there_are_two(monkeypatch, cores, window, expected):
    monkeypatch.delenv("FILTERSCOPE_THREADS", raising=False)
    monkeypatch.setattr(threads, "cores", lambda: cores)
    assert threads.kernel_threads(window=bool(window)) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("3", 3), ("0", 8), ("many", 8), ("-2", 8), ("", 8)]
)
def test_the_environment_overrides_what_makes_sense(monkeypatch, value, expected):
    monkeypatch.setenv("FILTERSCOPE_THREADS", value)
    monkeypatch.setattr(threads, "cores", lambda: 8)
    assert threads.kernel_threads(window=False) == expected


def test_cores_are_those_this_process_may_use():
    assert 1 <= threads.cores() <= (os.cpu_count() or 1)
