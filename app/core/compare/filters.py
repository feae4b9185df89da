"""The first layer of a run at any of its keyframes, as pictures and as columns to be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.compare.matching import Matching, match_units
from app.core.errors import Cancelled, FilterscopeError, UsageError
from app.core.runs import RunFolder
from app.core.specs import PreprocessSpec
from app.core.takeaway.contents import reopen
from app.core.waiting import Cancel

__all__ = ["FilterPair", "Filters", "FiltersOverTime", "Seen", "compare_at", "look"]


@dataclass(frozen=True)
class Filters:
    """First-layer filters at one step.

    Attributes
    ----------
    step : int
    epoch : float
    tiles : ndarray, shape (L, C, H, W), float32
        As they act on pixels, whatever the data was whitened with.
    """

    step: int
    epoch: float
    tiles: NDArray[np.float32] = field(repr=False)

    @property
    def columns(self) -> NDArray[np.float32]:
        """(C·H·W, L) a filter in each column."""
        return self.tiles.reshape(len(self.tiles), -1).T


class FiltersOverTime:
    """The keyframes of one run, read when they are asked for.

    Parameters
    ----------
    run : RunFolder

    Attributes
    ----------
    steps : ndarray of int64
        Steps at which there are weights, in order.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self._paths: list[tuple[int, Path]] = []
        self._to_pixels: NDArray[np.float64] | None = None
        self._read_newest: tuple[int, Filters] | None = None
        self.look_again()
        if not self._paths:
            raise UsageError(f"{run.name} has no weights that can be read.")

    def look_again(self) -> None:
        """See which keyframes there are by now: a run that trains makes more."""
        self._paths = self.run.keyframes()
        self.steps: NDArray[np.int64] = np.array([step for step, _ in self._paths], np.int64)

    @property
    def epochs(self) -> NDArray[np.float64]:
        """Places of the keyframes, in epochs."""
        return self.steps / max(self.run.info.steps_per_epoch, 1)

    def at(self, epoch: float) -> Filters:
        """Return the filters of the keyframe that is nearest to `epoch`.

        A keyframe that is damaged counts as not there.

        Raises
        ------
        FilterscopeError
            None can be read, or the network does not begin with filters.
        """
        near = np.argsort(np.abs(self.epochs - epoch), kind="stable")
        problem = None
        for place in near:
            step, path = self._paths[place]
            if self._read_newest is not None and self._read_newest[0] == step:
                return self._read_newest[1]
            try:
                weights = self.run.read_keyframe(path)
            except UsageError as error:
                problem = error
                continue
            found = Filters(step, float(self.epochs[place]), self._tiles(weights))
            self._read_newest = (step, found)
            return found
        raise problem or UsageError(f"{self.run.name} has no weights that can be read.")

    def _tiles(self, weights: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        if "W1" not in weights:
            raise UsageError("This keyframe has no first layer.")
        first = weights["W1"]
        if self.run.info.kind == "cnn":
            if first.ndim != 4:
                raise UsageError("This network does not begin with filters.")
            return first
        prepared = self.run.info.preprocess
        assert isinstance(prepared, PreprocessSpec)
        channels, height, width = self.run.info.source.shape
        shape = (1 if prepared.grayscale else channels, height, width)
        return self._in_pixels(first, prepared).T.reshape(-1, *shape)

    def _in_pixels(
        self, columns: NDArray[np.float32], prepared: PreprocessSpec
    ) -> NDArray[np.float32]:
        """Undo the whitening, for which the data itself is needed, once."""
        if prepared.whiten == "none":
            return columns
        if self._to_pixels is None:
            fitted = reopen(self.run).fitted
            self._to_pixels = fitted.to_pixels(np.eye(len(columns)))
        pixels: NDArray[np.float32] = (self._to_pixels @ columns).astype(np.float32)
        return pixels


@dataclass(frozen=True)
class FilterPair:
    """Filters of two runs at one moment, and which of them belong together."""

    first: Filters
    second: Filters
    matching: Matching

    def as_json(self) -> dict[str, Any]:
        """Return what a script is told: the score, and each pair."""
        found = self.matching
        return {
            "steps": [self.first.step, self.second.step],
            "epochs": [self.first.epoch, self.second.epoch],
            "stability": found.stability,
            "share_alike": found.share_alike(),
            "pairs": [
                [int(a), int(b), float(r)]
                for a, b, r in zip(found.first, found.second, found.correlation, strict=True)
            ],
        }


def compare_at(
    first: FiltersOverTime, second: FiltersOverTime, epoch: float | None = None
) -> FilterPair:
    """Pair the filters of two runs at `epoch`, or at the last keyframe of each.

    Raises
    ------
    FilterscopeError
        They are of another size, or cannot be read.
    """
    moment = np.inf if epoch is None else epoch
    seen = [run.at(min(moment, float(run.epochs[-1]))) for run in (first, second)]
    if seen[0].tiles.shape[1:] != seen[1].tiles.shape[1:]:
        sizes = " and ".join(_size(filters.tiles.shape[1:]) for filters in seen)
        raise UsageError(
            f"Filters of {sizes} cannot be compared.",
            "Choose two runs on patches of the same size and colours.",
        )
    # A ReLU sees one side only; a sigmoid's negative tells the same.
    sign_matters = any(run.run.info.kind == "cnn" for run in (first, second))
    matching = match_units(seen[0].columns, seen[1].columns, sign_matters=sign_matters)
    return FilterPair(seen[0], seen[1], matching)


@dataclass(frozen=True)
class Seen:
    """What is seen of one or two runs at a moment, or why there is nothing.

    Attributes
    ----------
    runs : tuple of FiltersOverTime
    shown : tuple of Filters
        Of each run those nearest to the moment.
    pair : FilterPair or None
        Which belong together, of two runs that can be compared.
    problem : str
        What could not be read, or why they cannot be compared.
    """

    runs: tuple[FiltersOverTime, ...] = ()
    shown: tuple[Filters, ...] = ()
    pair: FilterPair | None = None
    problem: str = ""

    @property
    def epochs(self) -> NDArray[np.float64]:
        """Every moment at which some of the runs has weights, in epochs, in order."""
        return np.unique(np.concatenate([np.empty(0), *(run.epochs for run in self.runs)]))

    def order(self, number: int, *, paired: bool) -> NDArray[np.int64]:
        """Return which unit of a run stands in each cell: twins in the same one, if `paired`."""
        if self.pair is None or not paired:
            return np.arange(len(self.shown[number].tiles))
        matching = self.pair.matching
        return matching.order_second() if number else matching.order_first()


def look(
    folders: Sequence[Path],
    known: Mapping[Path, FiltersOverTime],
    epoch: float | None,
    cancel: Cancel,
) -> Seen:
    """Read the filters of one or two runs at `epoch`, or the newest of each, and pair them.

    Parameters
    ----------
    folders : sequence of Path
    known : mapping
        Those that were read before, by their folder.
    epoch : float or None
    cancel : callable

    Raises
    ------
    Cancelled
        Others were chosen.
    """
    runs: list[FiltersOverTime] = []
    shown: list[Filters] = []
    try:
        for folder in folders:
            if cancel():
                raise Cancelled("Others were chosen.")
            run = known.get(folder)
            if run is None:
                # One that is trained has other weights by now than when the table was read.
                run = FiltersOverTime(RunFolder.open(folder))
            else:
                run.look_again()
            runs.append(run)
            end = float(run.epochs[-1])
            shown.append(run.at(end if epoch is None else min(epoch, end)))
        pair = compare_at(runs[0], runs[1], epoch) if len(runs) == 2 else None
    except Cancelled:
        raise
    except FilterscopeError as error:
        return Seen(tuple(runs[: len(shown)]), tuple(shown), None, str(error))
    return Seen(tuple(runs), tuple(shown), pair)


def _size(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    kind = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
    return f"{height} × {width} {kind}"
