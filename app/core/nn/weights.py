"""All that a network learned: one vector, of which W1, b1, gamma1 … are views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.nn.layer_info import NetworkDescription, ParameterShape

__all__ = ["NetworkWeights"]

Array = NDArray[Any]


class NetworkWeights:
    """The weights of a network, and what batchnorm averaged.

    Parameters
    ----------
    description : NetworkDescription
        Of a network that can be built.
    dtype : {"float32", "float64"}

    Attributes
    ----------
    theta : ndarray, shape (P,)
        All that is learned; zeros, gammas 1, until `initialise`.
    running : ndarray, shape (R,)
        All running averages of batchnorm.
    parameters, averages : dict
        Views of both by name: W1, b1, gamma1 …, running_mean1, running_var1 ….
    decayed : frozenset of str
        The parameters that L2 acts on: weights, no biases, gammas or betas.
    """

    def __init__(self, description: NetworkDescription, dtype: str) -> None:
        self.description = description
        self.theta: Array = np.zeros(description.parameter_count, dtype)
        self.parameters = self.views(self.theta)
        self.decayed = frozenset(p.name for p in description.parameters if p.fan_in)
        self.running: Array = np.zeros(sum(one.size for one in description.averages), dtype)
        self.averages = self.views_of_averages(self.running)
        for name, array in (*self.parameters.items(), *self.averages.items()):
            if name.startswith(("gamma", "running_var")):
                array[...] = 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of weights and scores."""
        return self.theta.dtype

    def views(self, vector: Array) -> dict[str, Array]:
        """Return the parts of a vector (P,) by name, as views."""
        return _views(vector, self.description.parameters)

    def views_of_averages(self, vector: Array) -> dict[str, Array]:
        """Return the parts of a vector (R,) by name, as views."""
        return _views(vector, self.description.averages)

    def initialise(
        self,
        rng: np.random.Generator | np.random.RandomState,
        *,
        how: str = "normal",
        weight_scale: float = 1e-3,
    ) -> None:
        """Draw the first weights; biases are 0, gammas 1, betas 0.

        Parameters
        ----------
        how : {"normal", "he", "uniform"}
            N(0, weight_scale²), or N(0, 2 / inputs): He et al. 2015, which keeps the variance of
            signals through ReLUs. Or evenly within ±1/√inputs, as torch's layers begin.
        """
        for parameter in self.description.parameters:
            array = self.parameters[parameter.name]
            array[...] = 1 if parameter.name.startswith("gamma") else 0
            if parameter.fan_in and how == "uniform":
                reach = 1 / np.sqrt(parameter.fan_in)
                array[...] = rng.uniform(-reach, reach, parameter.shape)
            elif parameter.fan_in:
                deviation = weight_scale if how == "normal" else np.sqrt(2 / parameter.fan_in)
                array[...] = rng.normal(0, deviation, parameter.shape)

    def weights(self) -> dict[str, Array]:
        """Return all that a use of the network needs, by name, as views."""
        return {**self.parameters, **self.averages}

    def load(self, weights: Mapping[str, Array]) -> None:
        """Take up what `weights` returned, of this network or an equal one.

        Raises
        ------
        ValueError
            An array is missing or of another network.
        """
        own = self.weights()
        for name, array in own.items():
            if name not in weights or weights[name].shape != array.shape:
                raise ValueError(f"{name} is missing or of another network")
        for name, array in own.items():
            array[...] = weights[name]

    def keep_averages(self, averages: Mapping[str, Array]) -> None:
        """Let batchnorm use these running averages from now on."""
        for name, array in averages.items():
            self.averages[name][...] = array

    def l2(self, reg: float) -> float:
        """Return reg/2 ΣW²."""
        weights = [self.parameters[name] for name in sorted(self.decayed)]
        return reg / 2 * sum(float(np.vdot(w, w)) for w in weights)


def _views(vector: Array, shapes: Sequence[ParameterShape]) -> dict[str, Array]:
    parts, at = {}, 0
    for one in shapes:
        parts[one.name] = vector[at : at + one.size].reshape(one.shape)
        at += one.size
    return parts
