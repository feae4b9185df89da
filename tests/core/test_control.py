"""The hand on a training: the last word counts, nothing is lost, nothing waits that should not."""

from __future__ import annotations

import threading

import pytest

from app.core.control import Control
from app.core.errors import (
    AlreadyExistsError,
    Cancelled,
    FilterscopeError,
    RefusedInputError,
    StorageError,
    UsageError,
)
from app.core.specs import AutoencoderSpec


def test_nothing_is_asked_for_at_first():
    control = Control()
    assert not control.paused
    assert not control.stopping
    assert control.interrupt[0] == 0
    assert control.attend() == (None, False)
    assert control.wait_while_paused(0)


@pytest.mark.parametrize("ask", ["pause", "single_step", "stop"])
def test_whatever_is_asked_for_interrupts_the_kernel(ask):
    control = Control()
    getattr(control, ask)()
    assert control.interrupt[0] != 0
    # It stays so until the trainer has done it: a kernel that begins meanwhile returns early.
    control.attend()
    assert control.interrupt[0] != 0


def test_the_last_live_value_wins_and_is_given_once():
    control = Control()
    for rho in (0.1, 0.2, 0.3):
        control.set_live(AutoencoderSpec(rho=rho))
    assert control.interrupt[0] != 0
    live, single = control.attend()
    assert (live.rho, single) == (0.3, False)
    assert control.attend() == (None, False)
    assert control.interrupt[0] == 0


def test_single_steps_are_counted_and_end_in_a_pause():
    control = Control()
    control.pause()
    for _ in range(2):
        control.single_step()
    assert not control.paused
    assert control.attend()[1]
    assert not control.paused
    assert control.attend()[1]
    assert control.paused
    assert not control.attend()[1]
    # To go on forgets the steps that were asked for and not taken.
    control.single_step()
    control.resume()
    assert control.attend() == (None, False)
    assert not control.paused


def test_stop_releases_a_pause_and_outlives_a_single_step():
    control = Control()
    control.pause()
    assert not control.wait_while_paused(0)
    control.single_step()
    control.stop()
    control.attend()
    assert control.stopping
    assert not control.paused
    assert control.wait_while_paused(0)


@pytest.mark.parametrize("ask", ["resume", "single_step", "stop"])
def test_a_waiting_trainer_is_woken(ask):
    control = Control()
    control.pause()
    woken = threading.Event()
    thread = threading.Thread(target=lambda: (control.wait_while_paused(), woken.set()))
    thread.start()
    assert not woken.is_set()
    getattr(control, ask)()
    assert woken.wait(10)
    thread.join(10)


def test_values_from_many_threads_are_never_mixed_or_lost():
    """Each thread writes its own pair; what is taken is always one of the pairs, and the last too."""
    control, taken = Control(), []
    start = threading.Barrier(5)

    def write(number):
        start.wait()
        for step in range(1, 200):
            value = (number + step / 1000) / 10
            control.set_live(AutoencoderSpec(rho=value, learning_rate=value))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    start.wait()
    while any(thread.is_alive() for thread in threads):
        live, _ = control.attend()
        if live is not None:
            taken.append(live)
    for thread in threads:
        thread.join()
    last, _ = control.attend()
    taken += [] if last is None else [last]
    assert taken
    assert all(live.rho == live.learning_rate for live in taken)
    assert taken[-1].rho in [(number + 0.199) / 10 for number in range(4)]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FilterscopeError, 1), (StorageError, 1), (UsageError, 2), (RefusedInputError, 2),
        (AlreadyExistsError, 2), (Cancelled, 130),
    ],
)  # fmt: skip
def test_an_error_is_a_sentence_a_hint_and_an_exit_code(kind, code):
    error = kind("The file is gone.", "Open another.")
    assert isinstance(error, FilterscopeError)
    assert (error.message, error.hint) == ("The file is gone.", "Open another.")
    assert str(error) == "The file is gone. Open another."
    assert str(kind("The file is gone.")) == "The file is gone."
    assert kind.exit_code == code
