"""Which filter of one network is which of another, and how alike the two are.

Hidden units have no order of their own: another seed gives the same filters elsewhere. Pairs are
chosen so that the sum of their correlations is the greatest (the assignment problem: Kuhn 1955,
“The Hungarian method”; scipy solves it as in Crouse 2016). Pairing the units of two networks by
correlation is from Li, Yosinski, Clune, Lipson and Hopcroft 2016, “Convergent learning: do
different neural networks learn the same representations?”.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.core.errors import UsageError

__all__ = ["ALIKE", "WEAK", "Grade", "Matching", "correlations", "grade_of", "match_units"]

# From this correlation on, two filters are called the same.
ALIKE = 0.9
# Below this likeness a pair is no more alike than chance makes one.
WEAK = 0.5
# A filter whose values vary by less than this share of their size is flat: rounding, no picture.
FLAT = 1e-6


Grade = Literal["alike", "akin", "chance", "alone"]


def grade_of(likeness: float | None) -> Grade:
    """Return how alike a pair is, in one word; ``alone`` where there is no pair."""
    if likeness is None:
        return "alone"
    return "alike" if likeness >= ALIKE else "akin" if likeness >= WEAK else "chance"


@dataclass(frozen=True)
class Matching:
    """Pairs of units, the most alike first, and those that are left over.

    Attributes
    ----------
    first, second : ndarray, shape (P,), int64
        Unit ``first[i]`` of one network and ``second[i]`` of the other are a pair.
    correlation : ndarray, shape (P,), float64
        Pearson's r of each pair over its pixels, −1 … 1.
    only_first, only_second : ndarray of int64
        Units without a partner: one network has more than the other.
    sign_matters : bool
        Whether a filter and its negative are different ones.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    correlation: NDArray[np.float64]
    only_first: NDArray[np.int64]
    only_second: NDArray[np.int64]
    sign_matters: bool = False

    @property
    def likeness(self) -> NDArray[np.float64]:
        """(P,) what counts of each correlation: |r|, or r where its sign matters."""
        return self.correlation if self.sign_matters else np.abs(self.correlation)

    @property
    def stability(self) -> float:
        """Mean likeness of the pairs: 1 when both networks have the same filters.

        Networks that never learned are not at 0: of many random filters the most alike are chosen.
        What chance gives is seen at step 0.
        """
        return float(self.likeness.mean()) if len(self.first) else 0.0

    def share_alike(self, least: float = ALIKE) -> float:
        """Return the share of the pairs that are alike by `least` or more."""
        return float((self.likeness >= least).mean()) if len(self.first) else 0.0

    def twin(self, unit: int, *, of_second: bool = False) -> tuple[int, float] | None:
        """Return the partner of a unit of the first (or second) network, and their r; or None."""
        mine, other = (self.second, self.first) if of_second else (self.first, self.second)
        (found,) = np.nonzero(mine == unit)
        if not len(found):
            return None
        return int(other[found[0]]), float(self.correlation[found[0]])

    def grades(self, *, of_second: bool = False) -> dict[int, Grade]:
        """Return for each unit of the first (or second) network how alike its pair is."""
        units = self.second if of_second else self.first
        alone = self.only_second if of_second else self.only_first
        found = {
            unit: grade_of(value)
            for unit, value in zip(units.tolist(), self.likeness.tolist(), strict=True)
        }
        return {**found, **dict.fromkeys(alone.tolist(), grade_of(None))}

    def order_second(self) -> NDArray[np.int64]:
        """Return the second network's units, each at the place of its partner, the others last.

        Places of the first network that have no partner are closed up, in their order.
        """
        place = np.argsort(self.first, kind="stable")
        return np.concatenate([self.second[place], self.only_second])

    def order_first(self) -> NDArray[np.int64]:
        """Return the first network's units with a partner in their own order, the others last."""
        return np.concatenate([np.sort(self.first), self.only_first])


def correlations(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return Pearson's r between each column of `first` (D, L1) and of `second` (D, L2).

    Returns
    -------
    ndarray, shape (L1, L2)
        A flat column is like none: 0.

    Raises
    ------
    UsageError
        The columns are not equally long.
    """
    if first.shape[0] != second.shape[0]:
        raise UsageError(
            f"These filters cannot be compared: one kind has {first.shape[0]} weights, "
            f"the other {second.shape[0]}.",
            "Choose two runs on patches of the same size and colours.",
        )
    return np.clip(_unit(first).T @ _unit(second), -1.0, 1.0)


def _unit(columns: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return columns of mean 0 and length 1; flat ones, and those with no numbers, of length 0."""
    x = np.nan_to_num(np.asarray(columns, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    largest = np.abs(x).max(axis=0, initial=0.0)
    x = x / np.where(largest > 0, largest, 1.0)
    centred = x - x.mean(axis=0)
    length = np.sqrt(np.square(centred).sum(axis=0))
    flat = length <= FLAT * np.sqrt(max(len(x), 1))
    return np.where(flat, 0.0, centred / np.where(flat, 1.0, length))


def match_units(
    first: NDArray[np.floating], second: NDArray[np.floating], *, sign_matters: bool = False
) -> Matching:
    """Pair the columns of `first` (D, L1) with those of `second` (D, L2), one to one.

    Parameters
    ----------
    sign_matters : bool
        False for sigmoid units: σ(−z) = 1 − σ(z), so a filter and its negative tell the same, and
        |r| counts. True for units with a ReLU, which see one side only.

    Returns
    -------
    Matching
        min(L1, L2) pairs whose likeness has the greatest sum, the most alike first.
    """
    from scipy.optimize import linear_sum_assignment

    table = correlations(first, second)
    rows, columns = linear_sum_assignment(table if sign_matters else np.abs(table), maximize=True)
    found = table[rows, columns]
    order = np.argsort(-(found if sign_matters else np.abs(found)), kind="stable")
    rows, columns = rows[order].astype(np.int64), columns[order].astype(np.int64)
    return Matching(
        rows,
        columns,
        found[order],
        np.setdiff1d(np.arange(table.shape[0]), rows),
        np.setdiff1d(np.arange(table.shape[1]), columns),
        sign_matters,
    )
