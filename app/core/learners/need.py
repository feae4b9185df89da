"""How much memory the training of a network of layers takes, beside its images."""

from __future__ import annotations

import math

import numpy as np

from app.core.data.image_preprocess import FittedImages
from app.core.memory import Need
from app.core.nn.description import describe_network
from app.core.solvers.first_order import MEMORY
from app.core.specs import ConvNetSpec

__all__ = ["NETWORK", "SMALLER", "need_of"]

# Arrays of the weights' size: they, the solver's memory, both at the mark and in a checkpoint's
# copies, the best model, the gradient, and snapshots.
COPIES = {solver: 5 * (1 + memory) + 6 for solver, memory in MEMORY.items()} | {"lbfgs": 6 * 41}

# What has no room, and what to do where no batch would have.
NETWORK = "This network and its batches"
SMALLER = "Take fewer or smaller layers, or pool earlier."


def need_of(data: FittedImages, spec: ConvNetSpec, shares: int = 1) -> Need:
    """Return what a training of a network takes of this machine's memory, beside the images.

    Raises
    ------
    ShapeError
        A row of the network is impossible.
    """
    description = describe_network(spec.rows, data.images.shape, len(data.classes)).checked()
    size = np.dtype(spec.precision).itemsize
    images = -(-min(spec.batch_size, len(data.split.train)) // shares)
    values = math.prod(data.images.shape) + sum(math.prod(x.out_shape) for x in description.layers)
    # What every row gives is kept for the way back, and its slope beside it.
    weights = size * COPIES[spec.solver] * description.parameter_count
    return Need(weights, 3 * size * values, images)
