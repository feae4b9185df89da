"""The one trainer: a generator of events that knows neither threads nor Qt.

The command line prints its events, the worker forwards them, tests `islice` them.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.errors import FilterscopeError
from app.core.events import (
    Change,
    Checkpoint,
    EpochEnded,
    Evaluated,
    Event,
    Failed,
    Finished,
    ParamsChanged,
    Paused,
    Resumed,
    Snapshot,
    Started,
    Steps,
    frozen,
    frozen_copy,
)
from app.core.learners import Learner, StepOutcome
from app.core.specs import TrainingSpec, live_changes

__all__ = ["Progress", "train"]

# A call of the learner is meant to last about this long: long enough that the interpreter is
# not noticed, short enough that a curve grows smoothly. Live values, pause and stop do not
# wait for it: they interrupt between mini-batches.
CALL_SECONDS = 0.010
MOST_STEPS = 4096

# Snapshots and checkpoints of large networks take time: each may have this share of it, but
# comes after so many seconds at the latest.
SHARE = 0.01
LATEST_SNAPSHOT, LATEST_CHECKPOINT = 1.0, 60.0
# Bytes of a checkpoint that are made, summed up, written, synced and read back in a second, as
# measured on a slow disk: by them the first one is timed.
DISK_RATE = 200e6
# After each of the first calls the weights are told: a fast engine would be far on otherwise.
EARLY_CALLS = 16
# Between two live changes whose weights are told.
MARK_SECONDS = 0.5

# After a stop, the cost over a set larger than this is not worth the wait.
EVALUATE_AFTER_STOP = 200_000
# Nor is it with an engine whose single step takes longer than this.
SLOW_STEP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is: all of it is in whole steps, so that it can go on exactly."""

    step: int = 0
    epoch: int = 0
    steps_into_epoch: int = 0


def train(
    learner: Learner,
    spec: TrainingSpec,
    control: Control,
    *,
    examples: int,
    order: EpochOrder,
    run_id: str,
    resume: Progress | None = None,
    clock: Callable[[], float] = time.perf_counter,
    snapshot_seconds: float = 1 / 30,
    checkpoint_seconds: float = 4.0,
    most_steps: int = MOST_STEPS,
) -> Iterator[Event]:
    """Train until the last epoch, a stop, or a failure, saying what happens.

    Parameters
    ----------
    learner : Learner
        The network with its data; it holds the weights.
    spec : TrainingSpec
        The settings at the start. Live values come in through `control`.
    control : Control
        Read between mini-batches.
    examples : int
        Number of training examples.
    order : EpochOrder
        Which rows are visited when; a pure function of seed and epoch, so that a pause, a
        resume or the way of starting change nothing.
    run_id : str
        Stamped on every event.
    resume : Progress, optional
        Where to go on; the learner's state has been restored by the caller.
    clock : callable
        Seconds, monotonic.
    snapshot_seconds, checkpoint_seconds : float
        Least time between two snapshots, and between two checkpoints.
    most_steps : int
        In one call of the learner, and so in one `Steps` event.

    Yields
    ------
    Event
        `Started` first; `Finished` or `Failed` last. Nothing is raised but what closing the
        generator raises.
    """
    trainer = _Trainer(learner, spec, control, examples, order, run_id, clock)
    trainer.snapshot_seconds = snapshot_seconds
    trainer.checkpoint_seconds = checkpoint_seconds
    trainer.most_steps = most_steps
    if resume is not None:
        trainer.step, trainer.epoch = resume.step, resume.epoch
        trainer.steps_into_epoch = resume.steps_into_epoch
    try:
        yield from trainer.run()
    except FilterscopeError as error:
        yield trainer.failure("expected", error.message, error.hint)
    except MemoryError:
        half = trainer.spec.batch_size // 2
        hint = f"Try a batch of {half}, or a smaller network." if half else "Try a smaller network."
        yield trainer.failure("expected", "There is not enough memory for this.", hint)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        yield trainer.failure("bug", text, "", traceback.format_exc())


class _Trainer:
    """The state of one training; `run` is the loop."""

    snapshot_seconds: float
    checkpoint_seconds: float
    most_steps: int

    def __init__(
        self,
        learner: Learner,
        spec: TrainingSpec,
        control: Control,
        examples: int,
        order: EpochOrder,
        run_id: str,
        clock: Callable[[], float],
    ) -> None:
        self.learner, self.spec, self.control = learner, spec, control
        self.examples, self.order, self.run_id, self.clock = examples, order, run_id, clock
        self.step = self.epoch = self.steps_into_epoch = 0
        self.steps_per_epoch = learner.steps_per_epoch(spec)
        self.steps_per_call = 1
        self.calls = 0
        self.step_seconds = 0.0
        self.next_snapshot = self.next_mark = -np.inf
        self.next_checkpoint = np.inf
        self.waiting = False
        self.waited_at = -1

    def run(self) -> Iterator[Event]:
        began = self.clock()
        self.next_checkpoint = began + self.checkpoint_seconds
        yield Started(
            self.run_id,
            step=self.step,
            epoch=self.epoch,
            steps_per_epoch=self.steps_per_epoch,
            total_steps=self.steps_per_epoch * self.spec.epochs,
            examples=self.examples,
            term_names=self.learner.term_names,
            engine=self.learner.engine,
        )
        yield from self.snapshot()
        # From here on it can be continued, whatever happens.
        yield from self.checkpoint()
        yield from self.evaluate_when_due()
        reason = "done"
        while self.epoch < self.spec.epochs and reason == "done":
            epoch_began = self.clock()
            rows = self.order.epoch(self.epoch)
            sums = np.zeros(len(self.learner.term_names))
            counted = 0
            while self.steps_into_epoch < self.steps_per_epoch:
                single = yield from self.attend()
                if self.control.stopping:
                    reason = "stopped"
                    break
                outcome = yield from self.take_steps(rows, single)
                terms, finite = outcome.terms, outcome.finite
                sums += terms.sum(axis=0)
                counted += len(terms)
                if not finite:
                    yield from self.snapshot()
                    yield from self.checkpoint()
                    yield self.diverged()
                    return
                if outcome.converged:
                    reason = "converged"
                    break
                yield from self.evaluate_when_due()
            else:
                self.epoch += 1
                self.steps_into_epoch = 0
                # An epoch that was resumed in its middle has a mean over what was seen of it;
                # of one that was resumed at its very end, nothing was.
                mean = sums / counted if counted else np.full_like(sums, np.nan)
                seconds = self.clock() - epoch_began
                yield EpochEnded(self.run_id, self.epoch, self.step, mean, seconds)
        yield from self.snapshot()
        yield from self.checkpoint()
        terms_now: NDArray[np.float64] | None = None
        quick = self.examples <= EVALUATE_AFTER_STOP and self.step_seconds <= SLOW_STEP_SECONDS
        quick = quick and not self.control.in_haste
        if reason != "stopped" or quick:
            terms_now = self.learner.evaluate(self.spec)
        seconds = self.clock() - began
        yield Finished(self.run_id, self.step, self.fraction, reason, terms_now, seconds)

    def attend(self) -> Generator[Event, None, bool]:
        """Do what the person asked for; returns whether just a single step is wanted."""
        single = False
        while True:
            live, single = self.control.attend()
            if live is not None:
                yield from self.change(live)
            if self.control.stopping or single or not self.control.paused:
                break
            if not self.waiting or self.waited_at != self.step:
                self.waiting, self.waited_at = True, self.step
                yield from self.snapshot()
                yield from self.checkpoint()
                yield Paused(self.run_id, self.step)
            self.control.wait_while_paused()
        if single:
            # Where the step led is told by the pause after it.
            self.waiting = False
        elif self.waiting and not self.control.stopping:
            self.waiting = False
            yield Resumed(self.run_id, self.step)
        return single

    def change(self, live: TrainingSpec) -> Iterator[Event]:
        changes = live_changes(self.spec, live)
        if not changes:
            return
        if self.clock() >= self.next_mark:
            # What the weights were when the value moved; one drag of a slider is a few of them.
            yield from self.snapshot()
            self.next_mark = self.clock() + MARK_SECONDS
        old = self.spec
        self.spec = old.changed(**{name: new for name, (_, new) in changes.items()})
        self.learner.params_changed(old, self.spec)
        yield ParamsChanged(
            self.run_id,
            self.step,
            tuple(Change(name, before, after) for name, (before, after) in changes.items()),
        )

    def take_steps(
        self, rows: NDArray[np.int64], single: bool
    ) -> Generator[Event, None, StepOutcome]:
        """Call the learner once; returns what it said."""
        left = self.steps_per_epoch - self.steps_into_epoch
        most = 1 if single else min(self.steps_per_call, left)
        visited = self.steps_into_epoch * self.spec.batch_size if self.steps_per_epoch > 1 else 0
        began = self.clock()
        outcome = self.learner.steps(rows[visited:], self.spec, self.control.interrupt, most)
        seconds = self.clock() - began
        taken = len(outcome.terms)
        # A step that was given up counts by what it took until then.
        self.step_seconds = seconds / max(taken, 1)
        if taken:
            first = self.step + 1
            self.step += taken
            self.steps_into_epoch += taken
            seen = (
                min(taken * self.spec.batch_size, len(rows) - visited)
                if self.steps_per_epoch > 1
                else len(rows)
            )
            yield Steps(self.run_id, first, outcome.terms, seen, seconds, outcome.accuracies)
            wanted = CALL_SECONDS / max(seconds / taken, 1e-9)
            self.steps_per_call = int(min(max(1, wanted), 2 * self.steps_per_call, self.most_steps))
        now = self.clock()
        self.calls += 1
        early = self.calls <= EARLY_CALLS and np.isfinite(self.snapshot_seconds)
        if now >= self.next_snapshot or single or early:
            yield from self.snapshot()
        if now >= self.next_checkpoint:
            yield from self.checkpoint()
        return outcome

    def evaluate_when_due(self) -> Iterator[Event]:
        """Let the learner look at images that do not train; after a pause, it is done then."""
        while self.learner.evaluation_due(self.spec) and not self.control.stopping:
            found = self.learner.validate(self.spec, self.control.interrupt)
            if found is None:
                yield from self.attend()
                continue
            yield Evaluated(
                self.run_id,
                self.step,
                self.fraction,
                found.train_accuracy,
                found.validation_accuracy,
                found.validation_loss,
                found.best,
                found.behaviour,
                found.layers,
            )

    @property
    def fraction(self) -> float:
        """Epochs done, with the part of the one under way."""
        return self.epoch + self.steps_into_epoch / self.steps_per_epoch

    def snapshot(self) -> Iterator[Event]:
        """Say what the weights are, and note when to say it next."""
        began = self.clock()
        weights, statistics = self.learner.snapshot()
        yield Snapshot(
            self.run_id,
            self.step,
            self.fraction,
            {name: frozen_copy(array) for name, array in weights.items()},
            {name: frozen_copy(array) for name, array in statistics.items()},
        )
        self.next_snapshot = self._next(began, self.snapshot_seconds, LATEST_SNAPSHOT)

    def checkpoint(self) -> Iterator[Event]:
        """Say all that a continuation needs, and note when to say it next."""
        began = self.clock()
        state = {name: frozen(array) for name, array in self.learner.state().items()}
        size = sum(array.nbytes for array in state.values())
        yield Checkpoint(
            self.run_id, self.step, self.epoch, self.steps_into_epoch, self.spec, state
        )
        # The first one is seldom kept, since the seed says the same: it tells nothing of the disk.
        expected = size / DISK_RATE if self.step == 0 else 0.0
        self.next_checkpoint = self._next(
            began, self.checkpoint_seconds, LATEST_CHECKPOINT, expected
        )

    def _next(self, began: float, least: float, most: float, expected: float = 0.0) -> float:
        """Return when something that began then may be said again.

        What it took counts whoever took it: the copies made here, or the disk; `expected`
        seconds at least.
        """
        cost = max(self.clock() - began, expected)
        return began + (max(least, min(cost / SHARE, most)) if least else 0.0)

    def diverged(self) -> Failed:
        return Failed(
            self.run_id,
            self.step,
            "diverged",
            f"The cost stopped being a finite number at step {self.step + 1}; "
            f"the weights of step {self.step} are kept.",
            self.learner.suggestion(self.spec),
            "",
        )

    def failure(self, kind: str, message: str, hint: str, traceback_text: str = "") -> Failed:
        return Failed(self.run_id, self.step, kind, message, hint, traceback_text)
