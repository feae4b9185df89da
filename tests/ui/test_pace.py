"""The window looks at a training seldom enough to leave it its time."""

from __future__ import annotations

import pytest

from app.ui.pace import SHARE, SLOWEST_MILLISECONDS, TICK_MILLISECONDS, Pace


class Processor:
    """A clock of processor time that goes on when told."""

    def __init__(self) -> None:
        self.seconds = 5.0

    def __call__(self) -> float:
        return self.seconds

    def ticks(self, pace: Pace, cost: float, count: int = 40, *, gives_way: bool = True) -> int:
        """Return the interval after so many ticks that cost so many seconds each."""
        for _ in range(count):
            self.seconds += cost
            found = pace.milliseconds(gives_way=gives_way)
        return found


@pytest.fixture
def processor() -> Processor:
    return Processor()


def test_drawing_takes_its_share_and_no_more(processor) -> None:
    pace = Pace(processor)
    cost = 0.004
    found = processor.ticks(pace, cost)
    assert TICK_MILLISECONDS < found < SLOWEST_MILLISECONDS
    assert cost / (found / 1000) == pytest.approx(SHARE, rel=0.01)


def test_cheap_ticks_come_as_often_as_ever(processor) -> None:
    assert processor.ticks(Pace(processor), 0.0005) == TICK_MILLISECONDS


def test_however_dear_the_picture_moves(processor) -> None:
    assert processor.ticks(Pace(processor), 0.5) == SLOWEST_MILLISECONDS


def test_kernels_that_need_no_interpreter_wait_for_nothing(processor) -> None:
    assert processor.ticks(Pace(processor), 0.5, gives_way=False) == TICK_MILLISECONDS


def test_one_dear_tick_is_no_reason_to_be_slow(processor) -> None:
    pace = Pace(processor)
    processor.ticks(pace, 0.001)
    assert processor.ticks(pace, 0.006, 1) < SLOWEST_MILLISECONDS / 2
    assert processor.ticks(pace, 0.001) == TICK_MILLISECONDS


def test_another_training_begins_anew(processor) -> None:
    pace = Pace(processor)
    processor.ticks(pace, 0.5)
    processor.seconds += 3.0
    pace.begin()
    assert processor.ticks(pace, 0.001, 1) == TICK_MILLISECONDS
