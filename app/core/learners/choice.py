"""Which learner computes a network: the engine of its settings says it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.core.data.image_preprocess import FittedImages
from app.core.devices import load_torch
from app.core.distributed import Group
from app.core.errors import FilterscopeError
from app.core.learners.autoencoder import AutoencoderLearner
from app.core.learners.convnet import ConvNetLearner
from app.core.learners.torch_autoencoder import TorchAutoencoderLearner
from app.core.learners.torch_convnet import TorchConvNetLearner
from app.core.specs import AutoencoderSpec, ConvNetSpec

__all__ = ["make_autoencoder_learner", "make_convnet_learner"]


def make_autoencoder_learner(
    x: NDArray[np.float32],
    spec: AutoencoderSpec,
    *,
    threads: int | None = None,
    release: Callable[[], None] | None = None,
) -> AutoencoderLearner:
    """Return a new autoencoder with its first weights.

    Where there is no torch, the program's own loops compute what was meant for it: on a CPU they
    are the quicker ones, and the numbers are the same. The learner's `notes` say so.

    Parameters
    ----------
    x : ndarray, shape (N, D), float32
    spec : AutoencoderSpec
    threads, release
        As for `AutoencoderLearner`.

    Raises
    ------
    FilterscopeError
        There is no room.
    """
    missing = ""
    if spec.engine == "torch":
        try:
            load_torch()
        except FilterscopeError as error:
            missing = error.message.rstrip(".")
        else:
            return TorchAutoencoderLearner(x, spec, threads=threads, release=release)
    learner = AutoencoderLearner(x, spec, threads=threads, release=release)
    if missing:
        learner.notes.append(f"{missing}; the program's own loops compute")
    return learner


def make_convnet_learner(
    data: FittedImages,
    spec: ConvNetSpec,
    *,
    threads: int | None = None,
    group: Group | None = None,
) -> ConvNetLearner:
    """Return a new network with its first weights; `group` shares its batches, on PyTorch only.

    Raises
    ------
    FilterscopeError
        `spec.engine` is torch and there is none, or there is no room.
    """
    if spec.engine == "torch":
        return TorchConvNetLearner(data, spec, threads=threads, group=group)
    return ConvNetLearner(data, spec, threads=threads)
