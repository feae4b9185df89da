"""``units.jsonl``: what was measured of single units, filters and layers on the way.

Of an autoencoder the mean activation ρ̂ of each hidden unit, and the length of its weights; of a
convolutional network the size of each array's weights and of their slopes, and how each layer
answers: mean, standard deviation, and the share of outputs that are zero for every image.

The file is like ``history.jsonl``, a record a line with its checksum; numbers are float32. They
are dense early, as keyframes are, but many more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.events import Evaluated, Snapshot
from app.core.runs.log import pack, parse_log, unpack

__all__ = [
    "UnitStatistics",
    "cut_units",
    "measured",
    "parse_units",
    "record_of",
    "spacing",
]

MOST_STEPS = 1 << 53
# Of the keyframes' budget, so much again may go to statistics; a training of ten million steps
# is 16 times e-fold.
SHARE, FOLDS = 1 / 16, 16.0
# Spacing, where there is room for more: step / DENSITY.
DENSITY = 500

Values = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class UnitStatistics:
    """One thing that was measured of each unit, at some steps.

    Attributes
    ----------
    name : str
        ``rho_hat``, ``weight_norm``; ``weight_rms``, ``gradient_rms``, ``layer_mean``,
        ``layer_deviation``, ``layer_dead``.
    labels : tuple of str
        What each column is called; empty for hidden units, which have numbers.
    steps : ndarray, shape (frames,), int64
    values : ndarray, shape (frames, units), float32
    """

    name: str
    labels: tuple[str, ...]
    steps: NDArray[np.int64] = field(repr=False)
    values: NDArray[np.float32] = field(repr=False)


def measured(event: Snapshot | Evaluated) -> tuple[Values, dict[str, tuple[str, ...]]]:
    """Return what an event says of units, by name, and what the columns of each are called."""
    if isinstance(event, Evaluated):
        found = {f"layer_{name}": _float32(array) for name, array in event.behaviour.items()}
        return found, dict.fromkeys(found, event.layers)
    values: Values = {}
    labels: dict[str, tuple[str, ...]] = {}
    slopes = {}
    for name, array in event.statistics.items():
        if name.startswith("gradient "):
            slopes[name.removeprefix("gradient ")] = _rms(array)
        elif array.ndim == 1:
            values[name] = _float32(array)
    if "rho_hat" in values:
        w1 = event.weights["W1"]
        values["weight_norm"] = _float32(np.sqrt(np.einsum("ij,ij->j", w1, w1)))
    else:
        values["weight_rms"] = _float32([_rms(array) for array in event.weights.values()])
        labels["weight_rms"] = tuple(event.weights)
    if slopes:
        values["gradient_rms"] = _float32(list(slopes.values()))
        labels["gradient_rms"] = tuple(slopes)
    return values, labels


def _rms(array: NDArray[Any]) -> float:
    flat = array.ravel()
    return float(np.sqrt(np.dot(flat, flat) / max(flat.size, 1)))


def _float32(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def spacing(step: int, size: int, budget: int) -> int:
    """Return how many steps after `step` statistics of `size` bytes are taken again."""
    frames = max(budget * SHARE / max(size, 1), 50.0)
    return max(1, int(step * max(1 / DENSITY, FOLDS / frames)))


def record_of(step: int, values: Values, labels: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return statistics as a record; values that are not finite are left out with their name."""
    good = {name: array for name, array in values.items() if np.isfinite(array).all()}
    record: dict[str, Any] = {
        "type": "units",
        "step": step,
        "values": {name: pack(array, "<f4") for name, array in good.items()},
    }
    named = {name: list(words) for name, words in labels.items() if name in good}
    return {**record, "labels": named} if named else record


def parse_units(data: bytes, *, live: bool = False) -> tuple[dict[str, UnitStatistics], str]:
    """Return the statistics in a log by name, and a sentence when the record is not whole.

    A record that makes no sense is left out, and so is what has another number of units than
    before it.
    """
    steps: dict[str, list[int]] = {}
    rows: dict[str, list[NDArray[np.float32]]] = {}
    labels: dict[str, tuple[str, ...]] = {}
    note = ""
    for record in parse_log(data, live=live):
        if isinstance(record, str):
            note = record
            break
        step = record.get("step")
        if type(step) is not int or not 0 <= step < MOST_STEPS:
            continue
        for name, array in _values_of(record):
            before = rows.setdefault(name, [])
            if before and (before[0].shape != array.shape or steps[name][-1] >= step):
                continue
            before.append(array)
            steps.setdefault(name, []).append(step)
        for name, words in _labels_of(record):
            labels.setdefault(name, words)
    found = {}
    for name, list_ in rows.items():
        values = np.stack(list_)
        words = labels.get(name, ())
        words = words if len(words) == values.shape[1] else ()
        found[name] = UnitStatistics(name, words, np.array(steps[name], np.int64), values)
    return found, note


def _values_of(record: Mapping[str, Any]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    values = record.get("values")
    for name, text in values.items() if isinstance(values, dict) else ():
        try:
            array = unpack(text, 1, "<f4")[:, 0].astype(np.float32)
        except (TypeError, ValueError):
            continue
        if len(array):
            yield name, array


def _labels_of(record: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    labels = record.get("labels")
    for name, words in labels.items() if isinstance(labels, dict) else ():
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            yield name, tuple(words)


def cut_units(data: bytes, step: int) -> Iterator[dict[str, Any]]:
    """Yield the records of what was measured by the time `step` steps were done."""
    for record in parse_log(data):
        if isinstance(record, str):
            return
        at = record.get("step")
        if type(at) is int and at <= step:
            yield record
