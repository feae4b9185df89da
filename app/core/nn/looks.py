"""How an image is looked at before a network answers: as it is, or mirrored too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

__all__ = ["MIRRORED", "scores_of_looks"]

# What a person is told beside an accuracy that was measured so.
MIRRORED = "each image looked at as it is and mirrored"


def scores_of_looks(ask: Callable[[bool], NDArray[Any]], mirror_looks: bool) -> NDArray[Any]:
    """Return a network's scores (N, classes) of some images; all its answers pass through here.

    Parameters
    ----------
    ask : callable
        Returns scores (N, classes), without dropout, of the images as they are or, asked with
        true, of the images mirrored left for right before they are normalised, as in training.
    mirror_looks : bool
        Whether an answer is the mean of both (as in Krizhevsky, Sutskever and Hinton 2012, who
        average probabilities of mirrored and shifted images).
    """
    plain = ask(False)
    if not mirror_looks:
        return plain
    mean: NDArray[Any] = (plain + ask(True)) / 2
    return mean
