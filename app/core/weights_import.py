"""Weights from a file put into a network as it is built: every name and every shape must match.

Known are this program's own names (W1, b1, gamma1 …, as in its exports and as CS231n has them),
and torch's for the same network as an `nn.Module` or an `nn.Sequential`, whose affine weights are
the other way round, (M, D).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.weights_file import WeightsFile
from app.core.errors import UsageError
from app.core.learners import AutoencoderLearner, ConvNetLearner, Learner
from app.core.learners.own_model import OwnModelLearner
from app.core.network_code import weight_names
from app.core.nn.layer_info import NetworkDescription
from app.core.nn.network import Network
from app.core.runs import WeightsInfo

__all__ = [
    "Slot",
    "autoencoder_slots",
    "begin_with",
    "network_slots",
    "put_weights",
    "take_weights",
    "weights_info",
]

# What is said of names that are missing or too many.
SHOWN = 3
# In files of weights of this program, beside the weights: how images were normalised.
BESIDE = ("shift", "factor")


@dataclass(frozen=True)
class Slot:
    """One array of a network: its name and shape here, and what it is called in torch.

    `torch_names` are as many in each slot of a network: in one file all are of one place.
    `turned` says that torch has it the other way round.
    """

    name: str
    torch_names: tuple[str, ...]
    shape: tuple[int, ...]
    turned: bool = False


def network_slots(description: NetworkDescription) -> tuple[Slot, ...]:
    """Return all arrays of a network of layers: what it learns, then running averages."""
    # In a list, dropout has a place of its own where there is any.
    ways = [
        weight_names(level, description, dropout)
        for level, dropout in (("sequential", 0.0), ("sequential", 0.5), ("module", 0.0))
    ]
    return tuple(
        Slot(name, tuple(way[name] for way in ways), shape, turned=len(shape) == 2)
        for name, shape in description.weight_shapes.items()
    )


def autoencoder_slots(inputs: int, units: int) -> tuple[Slot, ...]:
    """Return W1 (D, L), b1 (L,), W2 (L, D), b2 (D,); torch's names are of two `nn.Linear`."""
    shapes = {"W1": (inputs, units), "b1": (units,), "W2": (units, inputs), "b2": (inputs,)}
    torch_names = ("0.weight", "0.bias", "2.weight", "2.bias")
    return tuple(
        Slot(name, (there,), shape, turned=len(shape) == 2)
        for (name, shape), there in zip(shapes.items(), torch_names, strict=True)
    )


def take_weights(file: WeightsFile, slots: Sequence[Slot]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by this program's names and in its shapes.

    Raises
    ------
    UsageError
        Some are missing, too many, or of another shape; the first few are named.
    """
    arrays = {name: array for name, array in file.arrays.items() if name not in BESIDE}
    given = _of_checkpoint(arrays, slots)
    own = tuple(slot.name for slot in slots)
    ways = [own, *zip(*(slot.torch_names for slot in slots), strict=True)]
    called = max(ways, key=lambda way: sum(name in given for name in way))
    by_torch = called is not own
    names = dict(zip(slots, called, strict=True))
    missing = [name for name in names.values() if name not in given]
    extra = [name for name in given if name not in set(names.values())]
    found, others = {}, []
    for slot, name in names.items():
        array = given.get(name)
        if array is None:
            continue
        if by_torch and slot.turned and array.ndim == 2:
            array = array.T
        if array.shape != slot.shape:
            wanted = slot.shape[::-1] if by_torch and slot.turned else slot.shape
            others.append(f"{name} is {_shape(given[name].shape)} where {_shape(wanted)} is needed")
        found[slot.name] = np.ascontiguousarray(array)
    problems = [
        text
        for text in (
            _some(missing, "missing"),
            _some(extra, "not of this network"),
            "; ".join(others[:SHOWN]) + _more(len(others)) if others else "",
        )
        if text
    ]
    if problems:
        raise UsageError(
            f"{file.name} does not fit this network: {'; '.join(problems)}.",
            "Build the network that the weights are of; every name and shape must match.",
        )
    return found


def _of_checkpoint(
    given: Mapping[str, NDArray[Any]], slots: Sequence[Slot]
) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of a checkpoint of this program, whose weights lie in one vector."""
    theta = given.get("theta")
    if theta is None or theta.ndim != 1:
        return given
    running = given.get("running", theta[:0])
    sizes = [math.prod(slot.shape) for slot in slots]
    values = np.concatenate([theta, running.ravel()])
    if len(values) != sum(sizes):
        raise UsageError(
            f"The checkpoint has {len(values):,} weights and this network {sum(sizes):,}.",
            "Build the network that it is of.",
        )
    ends = np.cumsum(sizes)
    return {
        slot.name: values[end - size : end].reshape(slot.shape)
        for slot, size, end in zip(slots, sizes, ends, strict=True)
    }


def put_weights(network: Network, file: WeightsFile) -> None:
    """Put the weights of a file into a network.

    Raises
    ------
    UsageError
        They do not fit.
    """
    network.load(take_weights(file, network_slots(network.description)))


def begin_with(learner: Learner, file: WeightsFile) -> None:
    """Let a new learner begin with the weights of a file instead of random ones.

    Whatever computes it: what it knows comes in as it does from a checkpoint.

    Raises
    ------
    UsageError
        They do not fit its network.
    """
    state = learner.state()
    slots = _slots_of(learner)
    found = take_weights(file, slots)
    values = np.concatenate([found[slot.name].ravel() for slot in slots])
    count = state["theta"].size
    state["theta"] = values[:count].astype(state["theta"].dtype)
    if "running" in state:
        state["running"] = values[count:].astype(state["running"].dtype)
    learner.restore(state)


def weights_info(file: WeightsFile | None) -> WeightsInfo | None:
    """Return what a run keeps of the file that its first weights came from."""
    return None if file is None else WeightsInfo(path=file.path, sha256=file.sha256)


def _slots_of(learner: Learner) -> tuple[Slot, ...]:
    if isinstance(learner, ConvNetLearner):
        return network_slots(learner.network.description)
    if isinstance(learner, OwnModelLearner):
        return tuple(Slot(name, (name,), shape) for name, shape in learner.shapes.items())
    assert isinstance(learner, AutoencoderLearner)
    return autoencoder_slots(learner.width, learner.units)


def _some(names: Sequence[str], what: str) -> str:
    if not names:
        return ""
    return (
        f"{', '.join(names[:SHOWN])}{_more(len(names))} {'is' if len(names) == 1 else 'are'} {what}"
    )


def _more(count: int) -> str:
    return f" and {count - SHOWN} more" if count > SHOWN else ""


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
