"""One vector of weights as a network at a chosen level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from app.core.nn.layer_info import ParameterShape
from app.core.nn.network import Network
from app.core.nn.plan import plan
from app.core.torch_models.barebones import Barebones
from app.core.torch_models.functions import Mode
from app.core.torch_models.module import ConvNet
from app.core.torch_models.sequential import sequential

__all__ = ["Level", "Model", "views"]

Level = Literal["barebones", "module", "sequential"]


class Model:
    """A network whose weights are views of one vector, as in `Network`.

    Parameters
    ----------
    network : Network
        Says the rows and the names; its own weights are not read.
    level : {"barebones", "module", "sequential"}
    theta, running : Tensor, shape (P,) and (R,)
        All that is learned, and running averages, on the device that computes.

    Attributes
    ----------
    forward : callable
        Images (N, C, H, W) -> scores (N, classes).
    mode : Mode
        What the next call of `forward` is for.
    weights : dict
        Views of `theta` by name, in the shapes of `Network.parameters`, without autograd.
    """

    def __init__(self, network: Network, level: Level, theta: Tensor, running: Tensor) -> None:
        rows = plan(network.description)
        self.mode = Mode()
        self.weights = views(theta, network.description.parameters)
        averages = views(running, network.description.averages)
        self._transposed = level != "barebones"
        # What autograd watches: the same numbers in memory, for nn.Linear seen as Wᵀ.
        self.leaves = {name: nn.Parameter(self._turned(one)) for name, one in self.weights.items()}
        self.forward: Callable[[Tensor], Tensor]
        if level == "barebones":
            self.forward = Barebones(rows, self.leaves, averages, self.mode)
        elif level == "module":
            self.forward = ConvNet(rows, self.leaves, averages, self.mode)
        else:
            self.forward = sequential(rows, self.leaves, averages, self.mode)

    def slopes(self, loss: Tensor) -> dict[str, Tensor]:
        """Return ∂loss/∂ each parameter, in the shapes of `weights`."""
        found = torch.autograd.grad(loss, list(self.leaves.values()))
        return {name: self._turned(one) for name, one in zip(self.weights, found, strict=True)}

    def _turned(self, one: Tensor) -> Tensor:
        return one.t() if self._transposed and one.ndim == 2 else one


def views(vector: Tensor, shapes: Sequence[ParameterShape]) -> dict[str, Tensor]:
    """Return the parts of a vector by name, as views; of `NetworkDescription.parameters`, theta's."""
    parts, at = {}, 0
    for one in shapes:
        parts[one.name] = vector[at : at + one.size].view(one.shape)
        at += one.size
    return parts
