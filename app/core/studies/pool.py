"""Where runs of a study are trained: a few processes here, or a Dask cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from app.core.studies.job import Job
from app.core.threads import kernel_threads

__all__ = ["Pool", "Report", "share_threads"]


@dataclass(frozen=True)
class Report:
    """What a pool says of a job.

    `kind` is ``began`` (``words["worker"]`` says where), ``moved`` (where it is), ``ended``
    (what `perform` returned), or ``lost``: the worker went away, and the job with it. A report
    without a key is about the pool; ``words["message"]`` is for a person.
    """

    key: str
    kind: str
    words: dict[str, Any] = field(default_factory=dict)


class Pool(Protocol):
    """Takes jobs, no more than `room` at once, and says what becomes of them."""

    threads: int

    def room(self) -> int:
        """Return how many more jobs can begin at once."""

    def submit(self, job: Job) -> None:
        """Have a job trained; raises `FilterscopeError` when nobody can."""

    def wait(self, seconds: float) -> list[Report]:
        """Return what there is to say; wait at most so long for it."""

    def stop(self) -> None:
        """Have every run end after its mini-batch, saved."""

    def close(self) -> None:
        """End everything that was started."""

    def __enter__(self) -> Pool:
        """Return itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""


def share_threads(workers: int, *, window: bool) -> int:
    """Return how many threads each of so many workers computes with: the cores, shared evenly."""
    return max(1, kernel_threads(window=window) // max(workers, 1))
