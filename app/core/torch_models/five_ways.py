"""PyTorch's three ways through a network, from the weights of another; see `app.core.nn.ways`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from app.core.nn.network import Network
from app.core.nn.ways import Result, masks_of
from app.core.specs import ConvNetSpec
from app.core.threads import cores
from app.core.torch_models.functions import data_loss
from app.core.torch_models.model import Level, Model

__all__ = ["torch_ways"]

Array = NDArray[Any]


def torch_ways(
    network: Network, spec: ConvNetSpec, x: Array, y: NDArray[np.int64]
) -> Iterator[tuple[str, Callable[[], Result]]]:
    """Yield the name of each level, and what computes it, on all cores."""
    with ExitStack() as afterwards:
        afterwards.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(cores())
        for level in get_args(Level):
            running = torch.from_numpy(network.running.copy())
            model = Model(network, level, torch.from_numpy(network.theta), running)
            yield level, lambda model=model: _by_torch(model, spec, x, y)  # type: ignore[misc]


def _by_torch(model: Model, spec: ConvNetSpec, x: Array, y: NDArray[np.int64]) -> Result:
    mode = model.mode
    mode.train, mode.keep, mode.rng = True, 1 - spec.dropout, masks_of(spec)
    scores = model.forward(torch.from_numpy(x))
    loss = data_loss(scores, torch.from_numpy(y), spec.loss, spec.label_smoothing)
    slopes = model.slopes(loss)
    gradient = torch.cat([slope.reshape(-1) for slope in slopes.values()])
    return float(loss.detach()), scores.detach().numpy(), gradient.numpy()
