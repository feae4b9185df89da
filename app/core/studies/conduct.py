"""Has the runs of studies trained, and says what becomes of them.

`conduct` is a generator of small frozen events, as `training.train` is: the command line prints
them, the window draws them, and a test reads them one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from app.core.studies.folder import FINISHED, Member, StudyFolder, value_of
from app.core.studies.job import job_of
from app.core.studies.pool import Pool, Report
from app.core.studies.search import Adviser

__all__ = [
    "MemberBegan",
    "MemberEnded",
    "MemberMoved",
    "Said",
    "StudyControl",
    "StudyEnded",
    "StudyEvent",
    "conduct",
]

# A run whose worker went away is begun once more.
TRIES = 2
SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True, slots=True)
class StudyEvent:
    """Something that happened in the study `study_id`."""

    study_id: str


@dataclass(frozen=True, slots=True)
class MemberBegan(StudyEvent):
    """A run is being trained by `worker`; `attempt` counts from 1."""

    number: int
    worker: str
    attempt: int


@dataclass(frozen=True, slots=True)
class MemberMoved(StudyEvent):
    """Where a run is; `cost` is that of its last batch."""

    number: int
    epoch: float
    epochs: int
    cost: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class MemberEnded(StudyEvent):
    """How a run ended: `state` as in `StudyFolder.state_of`, or ``lost``, to be begun once more.

    `value` is what it is judged by.
    """

    number: int
    state: str
    message: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Said(StudyEvent):
    """Something a person should know of those who train; `study_id` is empty."""

    message: str


@dataclass(frozen=True, slots=True)
class StudyEnded(StudyEvent):
    """All its runs have ended (``done``), some failed (``failed``), or it was ``stopped``."""

    reason: str
    finished: int
    failed: int
    waiting: int


class StudyControl:
    """The person's hand on studies; callable from any thread."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    @property
    def stopping(self) -> bool:
        """Whether stop was asked for."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End every run after its mini-batch; all is kept, and can go on."""
        self._stop.set()


@dataclass
class _Turn:
    """A study while it is conducted."""

    study: StudyFolder
    adviser: Adviser
    waiting: list[Member]
    at_work: dict[str, Member] = field(default_factory=dict)
    begun: dict[str, str] = field(default_factory=dict)
    tries: dict[int, int] = field(default_factory=dict)
    said_end: bool = False

    @property
    def id(self) -> str:
        return self.study.info.study_id

    def forget(self, key: str) -> None:
        del self.at_work[key]
        self.begun.pop(key, None)


def conduct(
    studies: Sequence[StudyFolder], pool: Pool, control: StudyControl
) -> Iterator[StudyEvent]:
    """Train what is missing of one or several studies.

    Parameters
    ----------
    studies : sequence of StudyFolder
        Their runs are begun in this order.
    pool : Pool
        Who trains them; it is neither opened nor closed here.
    control : StudyControl

    Yields
    ------
    StudyEvent
        `StudyEnded` once for each study.

    Raises
    ------
    FilterscopeError
        Another process conducts one of them, or it cannot be written.
    """
    taken: list[StudyFolder] = []
    try:
        for study in studies:
            study.take()
            taken.append(study)
        turns = [_Turn(study, Adviser(study), study.unfinished()) for study in taken]
        yield from _rounds(turns, pool, control)
    finally:
        for study in taken:
            study.leave()


def _rounds(turns: list[_Turn], pool: Pool, control: StudyControl) -> Iterator[StudyEvent]:
    told_to_stop = False
    while True:
        if control.stopping and not told_to_stop:
            told_to_stop = True
            pool.stop()
        if not control.stopping:
            _begin(turns, pool)
        for turn in turns:
            if not turn.said_end and not turn.at_work and _over(turn, control):
                turn.said_end = True
                yield _end(turn)
        if all(turn.said_end for turn in turns):
            return
        for report in pool.wait(SECONDS_BETWEEN_LOOKS):
            if not report.key:
                yield Said("", str(report.words.get("message", "")))
                continue
            for turn in turns:
                if report.key in turn.at_work:
                    yield from _take(turn, report, control)


def _begin(turns: list[_Turn], pool: Pool) -> None:
    """Give jobs to whoever is free, those of the first study first."""
    room = pool.room()
    for turn in turns:
        while room > 0:
            if not turn.waiting:
                turn.waiting.extend(turn.adviser.more())
            member = turn.waiting.pop(0) if turn.waiting else None
            if member is None:
                break
            job = job_of(turn.study, member, pool.threads)
            turn.at_work[job.key] = member
            turn.tries[member.number] = turn.tries.get(member.number, 0) + 1
            pool.submit(job)
            room -= 1


def _over(turn: _Turn, control: StudyControl) -> bool:
    return control.stopping or (not turn.waiting and turn.adviser.finished)


def _take(turn: _Turn, report: Report, control: StudyControl) -> Iterator[StudyEvent]:
    member = turn.at_work[report.key]
    number = member.number
    if report.kind == "began":
        if report.key in turn.begun:
            # The scheduler of a cluster that is not ours begins a lost run again by itself.
            message = f"{turn.begun[report.key]} went away."
            turn.study.note_failure(number, message)
            turn.tries[number] += 1
            yield MemberEnded(turn.id, number, "lost", message, None)
        turn.begun[report.key] = report.words["worker"]
        yield MemberBegan(turn.id, number, report.words["worker"], turn.tries[number])
    elif report.kind == "moved":
        words = report.words
        yield MemberMoved(
            turn.id,
            number,
            float(words["epoch"]),
            int(words["epochs"]),
            words.get("cost"),
            words.get("accuracy"),
        )
    elif report.kind == "lost":
        turn.forget(report.key)
        message = report.words["message"]
        turn.study.note_failure(number, message)
        if turn.tries[number] < TRIES and not control.stopping:
            turn.waiting.insert(0, turn.study.info.members[number])
            yield MemberEnded(turn.id, number, "lost", message, None)
        else:
            turn.adviser.learn(member, None)
            yield MemberEnded(turn.id, number, "failed", message, None)
    else:
        turn.forget(report.key)
        yield _ended(turn, member, report)


def _ended(turn: _Turn, member: Member, report: Report) -> MemberEnded:
    state, message = str(report.words["state"]), str(report.words.get("message", ""))
    sha256 = report.words.get("data_sha256", "")
    if sha256 and not turn.study.info.data_sha256:
        turn.study.write(turn.study.info.model_copy(update={"data_sha256": sha256}))
    if state in ("failed", "expected", "bug"):
        state = "failed"
        turn.study.note_failure(member.number, message)
    run = turn.study.run_of(member)
    value = None if run is None else value_of(run.info, turn.study.spec.objective)
    if state in (*FINISHED, "failed"):
        turn.adviser.learn(member, value if state != "diverged" else None)
    return MemberEnded(turn.id, member.number, state, message, value)


def _end(turn: _Turn) -> StudyEnded:
    states = [turn.study.state_of(m, turn.study.run_of(m)) for m in turn.study.info.members]
    finished = sum(state in FINISHED for state in states)
    failed = sum(state == "failed" for state in states)
    waiting = len(states) - finished - failed
    reason = "stopped" if waiting or not turn.adviser.finished else "failed" if failed else "done"
    return StudyEnded(turn.id, reason, finished, failed, waiting)
