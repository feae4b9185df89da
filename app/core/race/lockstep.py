"""Several trainings in turns: all take a batch before any takes the next.

Each is an ordinary training by `app.core.training.train`, with a run folder of its own; here is
only whose turn it is. So every run is bit for bit the one that is trained alone.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.errors import FilterscopeError
from app.core.events import Event, Failed, Noted, Paused, Started, Steps
from app.core.learners import Learner
from app.core.runs import Recorder, RunFolder
from app.core.specs import TrainingSpec
from app.core.training import train

__all__ = ["RaceControl", "Racer", "Stopwatch", "race"]

# Between two snapshots of a racer, and between two checkpoints, when all run.
SNAPSHOT_SECONDS, CHECKPOINT_SECONDS = 1 / 30, 10.0


class Stopwatch:
    """Seconds that pass while it runs: the time of one racer, without that of the others."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._before = 0.0
        self._since: float | None = None

    def __call__(self) -> float:
        """Return its seconds, now."""
        return self._before + (0.0 if self._since is None else self._clock() - self._since)

    def __enter__(self) -> None:
        self._since = self._clock()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._before, self._since = self(), None


class RaceControl:
    """The person's hand on a race, callable from any thread.

    Pause, single steps and stop are for all racers, and wait until all have taken the batch that
    is under way. Live values are for each alone.
    """

    def __init__(self, count: int) -> None:
        self.own = Control()
        self.racers = tuple(Control() for _ in range(count))

    def pause(self) -> None:
        """Wait when all have taken this batch."""
        self.own.pause()

    def resume(self) -> None:
        """Go on."""
        self.own.resume()

    def single_step(self) -> None:
        """Let all take exactly one batch more, then wait."""
        self.own.single_step()

    def stop(self, *, in_haste: bool = False) -> None:
        """End when all have taken this batch; in haste, each where it is."""
        if in_haste:
            for control in self.racers:
                control.stop(in_haste=True)
        self.own.stop(in_haste=in_haste)

    def set_live(self, place: int, spec: TrainingSpec) -> None:
        """Let one racer use the live values of `spec` from its next batch on."""
        self.racers[place].set_live(spec)


@dataclass
class Racer:
    """One training of a race.

    Attributes
    ----------
    name : str
        What it has of its own, such as ``ρ 0.2``.
    run : RunFolder
    spec : TrainingSpec
    begin : callable
        Returns a new learner and its order of visiting; called when its first turn comes.
    watch : Stopwatch
        Its own seconds.
    epochs : float
        How far it is. Iterations of L-BFGS are epochs.
    """

    name: str
    run: RunFolder
    spec: TrainingSpec
    begin: Callable[[], tuple[Learner, EpochOrder]]
    control: Control = field(default_factory=Control)
    watch: Stopwatch = field(default_factory=Stopwatch)
    epochs: float = 0.0
    running: bool = True
    waiting: bool = False

    def __post_init__(self) -> None:
        self.run_id = self.run.info.run_id
        self.steps_per_epoch = 1
        self._recorder: Recorder | None = Recorder(self.run, clock=self.watch)
        self._events: Iterator[Event] = iter(())

    def start(self, racers: int) -> None:
        """Be ready for the first turn; `racers` share the time."""
        self._events = self._train(racers)

    def _train(self, racers: int) -> Iterator[Event]:
        try:
            learner, order = self.begin()
        except FilterscopeError as error:
            yield Failed(self.run_id, 0, "expected", error.message, error.hint, "")
            return
        except MemoryError:
            message = "There is not enough memory for this network beside the others."
            yield Failed(self.run_id, 0, "expected", message, "Race fewer, or smaller ones.", "")
            return
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            yield Failed(self.run_id, 0, "bug", text, "", traceback.format_exc())
            return
        yield from train(
            learner,
            self.spec,
            self.control,
            examples=order.count,
            order=order,
            run_id=self.run_id,
            clock=self.watch,
            # Its own watch stands while the others have their turns.
            snapshot_seconds=SNAPSHOT_SECONDS / racers,
            checkpoint_seconds=CHECKPOINT_SECONDS / racers,
            most_steps=1,
        )

    def take_turn(self, *, to_the_end: bool = False) -> Iterator[Event]:
        """Take one batch, or come to where it waits, or end; yields what happens.

        What takes its events, and its record, has its time.
        """
        while self.running:
            with self.watch:
                event = next(self._events, None)
                if event is None:
                    yield from self.close()
                    return
                notes = list(self._record(event))
                yield event
                yield from notes
            if isinstance(event, Started):
                self.steps_per_epoch = max(event.steps_per_epoch, 1)
                self.epochs = event.step / self.steps_per_epoch
            elif isinstance(event, Steps):
                self.epochs = event.last_step / self.steps_per_epoch
                # One that takes a single step says when it waits again.
                if not (to_the_end or self.waiting):
                    return
            elif isinstance(event, Paused) and not to_the_end:
                self.waiting = True
                return

    def _record(self, event: Event) -> Iterator[Event]:
        """Keep an event; a run that cannot be kept races on."""
        if self._recorder is None:
            return
        try:
            note = self._recorder.take(event)
            if note is not None:
                yield note
        except FilterscopeError as error:
            yield from self._close_record(error)

    def _close_record(self, error: FilterscopeError | None = None) -> Iterator[Event]:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            try:
                recorder.close()
            except FilterscopeError as another:
                error = error or another
        if error is not None:
            message = f"The run of {self.name} was not recorded to its end: {error.message}"
            yield Noted(self.run_id, message, error.hint)

    def close(self) -> Iterator[Event]:
        """Take no more turns; what was recorded is written."""
        self.running = False
        close = getattr(self._events, "close", None)
        if close is not None:
            close()
        yield from self._close_record()


def race(racers: Sequence[Racer], control: RaceControl) -> Iterator[Event]:
    """Train all racers to their ends, each turn those that are furthest behind.

    Parameters
    ----------
    racers : sequence of Racer
        At their beginning.
    control : RaceControl
        Of as many racers.

    Yields
    ------
    Event
        Of all racers; `Event.run_id` says whose. One that fails has its `Failed`, and the others
        go on.
    """
    for racer, own in zip(racers, control.racers, strict=True):
        racer.control = own
        racer.start(len(racers))
    try:
        while running := [racer for racer in racers if racer.running]:
            _, single = control.own.attend()
            if control.own.stopping:
                for racer in running:
                    racer.control.stop(in_haste=control.own.in_haste)
                    yield from racer.take_turn(to_the_end=True)
                return
            if control.own.paused and not single:
                for racer in running:
                    if not racer.waiting:
                        racer.control.pause()
                        yield from _until_it_waits(racer)
                control.own.wait_while_paused()
                continue
            # Places of equal fractions of an epoch are equal numbers: both are k / n, rounded.
            behind = min(racer.epochs for racer in running)
            for racer in [racer for racer in running if racer.epochs == behind]:
                if single:
                    racer.control.single_step()
                    yield from _until_it_waits(racer)
                else:
                    if racer.waiting:
                        racer.waiting = False
                        racer.control.resume()
                    yield from racer.take_turn()
    finally:
        for racer in racers:
            for _ in racer.close():
                # Nobody listens any more; the run is kept as far as it is.
                pass


def _until_it_waits(racer: Racer) -> Iterator[Event]:
    """Let a racer that was told to pause come to where it waits."""
    racer.waiting = True
    yield from racer.take_turn()
