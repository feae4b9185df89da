"""What is heard of runs while they train: where each is, and how long all of them will take."""

from __future__ import annotations

import heapq
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.core.studies.conduct import (
    MemberBegan,
    MemberEnded,
    MemberMoved,
    StudyEvent,
)
from app.core.studies.folder import FINISHED, StudyFolder
from app.core.studies.results import StudyResults

__all__ = ["AT_WORK", "Seen", "Watch"]

AT_WORK, LOST, WAITING = "at work", "lost", "waiting"
# A pace that was taken over less of an epoch than this is no pace.
LEAST_EPOCHS = 1e-6


@dataclass
class Seen:
    """What is heard of one run.

    Attributes
    ----------
    state : str
        ``waiting``, ``at work``, ``lost`` (to be begun once more), or how it ended.
    attempt : int
        How often it was begun; 0 before.
    epoch : float
    epochs : int
        How many it is to have; 0 before it is known.
    costs, accuracies : list of (float, float)
        The cost of a batch, and the accuracy on the validation images, at some epochs.
    """

    state: str = WAITING
    message: str = ""
    worker: str = ""
    attempt: int = 0
    epoch: float = 0.0
    epochs: int = 0
    costs: list[tuple[float, float]] = field(default_factory=list)
    accuracies: list[tuple[float, float]] = field(default_factory=list)
    first: tuple[float, float] | None = None
    pace: float | None = None

    def began(self, event: MemberBegan) -> None:
        """Begin, or begin once more: what comes now may repeat what was."""
        self.state, self.worker, self.attempt = AT_WORK, event.worker, event.attempt
        self.first = None

    def moved(self, event: MemberMoved, now: float) -> None:
        """Note where it is; its pace is seconds per epoch since it was begun last."""
        self.state, self.epoch, self.epochs = AT_WORK, event.epoch, event.epochs
        for kept, value in ((self.costs, event.cost), (self.accuracies, event.accuracy)):
            while kept and kept[-1][0] >= event.epoch:
                # It went on from a checkpoint that lies before.
                kept.pop()
            if value is not None:
                kept.append((event.epoch, value))
        if self.first is None:
            self.first = (now, event.epoch)
        elif event.epoch - self.first[1] > LEAST_EPOCHS:
            self.pace = (now - self.first[0]) / (event.epoch - self.first[1])


class Watch:
    """Keeps what studies that are conducted say of their runs.

    Parameters
    ----------
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[tuple[str, int], Seen] = {}
        self._most_at_work = 0

    def begin(self, studies: Sequence[StudyFolder]) -> None:
        """Forget what was heard before of studies that are conducted now."""
        names = {study.info.study_id for study in studies}
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] not in names}
        self._most_at_work = 0

    def end(self) -> None:
        """Nobody conducts any more: what has not ended by its own word is left."""
        for seen in self._seen.values():
            if seen.state in (AT_WORK, LOST):
                seen.state = WAITING

    def take(self, event: StudyEvent) -> None:
        """Hear an event."""
        if isinstance(event, MemberBegan | MemberMoved | MemberEnded):
            seen = self._seen.setdefault((event.study_id, event.number), Seen())
            if isinstance(event, MemberBegan):
                seen.began(event)
            elif isinstance(event, MemberMoved):
                seen.moved(event, self._clock())
            else:
                seen.state, seen.message = event.state, event.message
            at_work = sum(one.state == AT_WORK for one in self._seen.values())
            self._most_at_work = max(self._most_at_work, at_work)

    def of(self, study_id: str, number: int) -> Seen | None:
        """Return what is heard of a run; None when that is nothing."""
        return self._seen.get((study_id, number))

    def state(self, study_id: str, number: int, on_disk: str) -> str:
        """Return the state of a run: what was heard last, or what its folder says."""
        seen = self.of(study_id, number)
        if seen is None or on_disk in FINISHED:
            return on_disk
        # A run that another process left in the middle says “running” or “crashed” of itself.
        return seen.state if seen.state != WAITING else on_disk

    def states(self, results: StudyResults) -> dict[str, int]:
        """Return how many runs of a study are in which state, those at work first."""
        found: dict[str, int] = {AT_WORK: 0}
        for trial in results.trials:
            for member, on_disk in zip(trial.members, trial.states, strict=True):
                state = self.state(results.study.info.study_id, member.number, on_disk)
                found[state] = found.get(state, 0) + 1
        return {state: count for state, count in found.items() if count}

    def share(self, results: StudyResults) -> float:
        """Return how much of a study is done, 0 … 1, in epochs of all its runs."""
        done = 0.0
        for trial in results.trials:
            for member, on_disk in zip(trial.members, trial.states, strict=True):
                name = results.study.info.study_id
                seen = self.of(name, member.number)
                if self.state(name, member.number, on_disk) in (*FINISHED, "failed"):
                    done += 1.0
                elif seen is not None and seen.epochs:
                    done += min(seen.epoch / seen.epochs, 1.0)
        return done / max(results.spec.run_count, 1)

    def seconds_left(self, studies: Sequence[StudyResults]) -> float | None:
        """Return how long studies that are conducted will take; None before that can be said.

        As many runs as were at work at once go on at their pace; those that wait take what the
        others took on average, and the next one begins when a worker is free.
        """
        paces = [seen.pace for seen in self._seen.values() if seen.pace is not None]
        if not paces:
            return None
        mean = statistics.fmean(paces)
        working: list[float] = []
        waiting: list[float] = []
        for results in studies:
            known = 0
            for trial in results.trials:
                for member, on_disk in zip(trial.members, trial.states, strict=True):
                    known += 1
                    state = self.state(results.study.info.study_id, member.number, on_disk)
                    if state in (*FINISHED, "failed"):
                        continue
                    seen = self.of(results.study.info.study_id, member.number)
                    epochs = results.spec.member_specs(member.values, member.seed)[0].epochs
                    left = max(epochs - (0.0 if seen is None else seen.epoch), 0.0)
                    if seen is not None and state == AT_WORK:
                        working.append(left * (seen.pace or mean))
                    else:
                        waiting.append(left * mean)
            # Trials that a search has not chosen yet.
            unplanned = max(results.spec.run_count - known, 0)
            waiting += [results.spec.spec.epochs * mean] * unplanned
        return _last_end(working, waiting, max(self._most_at_work, 1))


def _last_end(working: list[float], waiting: list[float], workers: int) -> float:
    """Return when the last run ends; each that waits begins when a worker is free."""
    free = working + [0.0] * max(workers - len(working), 0)
    heapq.heapify(free)
    for seconds in waiting:
        heapq.heappush(free, heapq.heappop(free) + seconds)
    return max(free)
