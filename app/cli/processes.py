"""What a command does when torchrun started it several times over."""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np

from app.core.distributed.place import Place
from app.core.errors import FilterscopeError, UsageError
from app.core.threads import kernel_threads

__all__ = ["AllStop", "Processes", "refuse_several", "sharing", "what_counts"]

NEEDS_TORCH = "Several processes share a training only with engine=torch."


class Processes:
    """The other processes, for a command that can share its work.

    Attributes
    ----------
    place : Place or None
        None for a process that is alone, which is as if there were no torchrun.
    group : Group or None
        Once `join` has returned.
    joining : bool
        Whether `join` has begun.
    """

    def __init__(self, place: Place | None) -> None:
        self.place = place
        self.group: Any = None
        self.joining = False

    @property
    def first(self) -> bool:
        """Whether this process is alone, or rank 0: the one that writes and talks."""
        return self.place is None or self.place.rank == 0

    def join(self, engine: str, device: str) -> Any:
        """Meet the others, and return the group; None for a process that is alone.

        Raises
        ------
        FilterscopeError
            The engine cannot share its work, or they do not come together.
        """
        if self.place is None:
            return None
        if engine != "torch":
            raise UsageError(NEEDS_TORCH, "Add --set engine=torch, or leave torchrun out.")
        # What PyTorch's connections log beside our sentences is for those who look into them.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        from app.core.distributed import Group

        self.joining = True
        self.group = Group.join(self.place, device=device, leave=self._leave)
        return self.group

    def threads(self, wanted: int | None) -> int:
        """Return how many threads compute here: as asked, or this process's part of the cores."""
        beside = 1 if self.place is None else self.place.local_size
        return wanted or max(1, kernel_threads(window=False) // beside)

    def _leave(self, problem: FilterscopeError) -> None:
        """End a process whose training waits for one that is gone."""
        if self.group is None or self.group.speaks:
            print(
                f"\nfilterscope: {problem.message}\n  {problem.hint}", file=sys.stderr, flush=True
            )
        os._exit(1)


@contextmanager
def sharing() -> Iterator[Processes]:
    """Let one process of several tell what happens, and each part from the others at the end.

    An error of another rank is told by rank 0, which hears of it; when rank 0 is gone, the first
    that is left tells.
    """
    processes = Processes(Place.from_environment())
    try:
        yield processes
    except BaseException as error:
        group = processes.group
        said = error.message if isinstance(error, FilterscopeError) else type(error).__name__
        if group is not None:
            group.close(said)
        # Who does not come together cannot tell the others either.
        alone = processes.first or processes.joining
        speaks = alone if group is None else group.speaks
        if isinstance(error, FilterscopeError) and not speaks:
            raise SystemExit(error.exit_code) from None
        raise
    if processes.group is not None:
        processes.group.close()


def what_counts(spec: Any, data: Any, learner: Any) -> dict[str, str]:
    """Return all that must be the same in each process, in short.

    Parameters
    ----------
    spec : ConvNetSpec
    data : FittedImages
    learner : ConvNetLearner
        With its first weights.
    """
    from app.core.runs.info import versions

    def digest(*arrays: Any) -> str:
        found = hashlib.sha256()
        for array in arrays:
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    # Where each computes was agreed on before.
    anywhere = spec.changed(device="auto")
    measured = digest(*data.state().values(), data.split.train, data.split.validation)
    return {
        "settings": hashlib.sha256(anywhere.to_json()).hexdigest(),
        "images": f"{data.images.source.sha256} {data.images.x.shape} {measured}",
        "first weights": digest(learner.network.theta, learner.network.running),
        "version of the program": versions()["filterscope"],
        "version of PyTorch": version("torch"),
    }


def refuse_several(options: argparse.Namespace) -> None:
    """Refuse a command that several processes would carry out at the same time.

    Raises
    ------
    UsageError
        It cannot be shared. Only rank 0 says so.
    """
    place = Place.from_environment()
    if place is None or getattr(options, "shares", False):
        return
    if place.rank > 0:
        raise SystemExit(UsageError.exit_code)
    raise UsageError(
        "torchrun can share “train cnn” and “runs resume” among processes, nothing else.",
        "Leave torchrun out.",
    )


class AllStop:
    """Ctrl-C and torchrun's own signals stop all processes after the same batch, and save.

    torchrun passes a Ctrl-C on, and ends the others of a group when one is gone; whoever does not
    end within half a minute is killed by it.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        def asked(_number: int, _frame: types.FrameType | None) -> None:
            self._stop()

        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, asked)

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
