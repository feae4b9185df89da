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

    Where there is no torch, the program's own loops compute what was meant for it, with the same
    numbers. The learner's `notes` say so.

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
    missing = _missing(spec.engine)
    if spec.engine == "torch" and not missing:
        return TorchAutoencoderLearner(x, spec, threads=threads, release=release)
    learner = AutoencoderLearner(x, spec, threads=threads, release=release)
    learner.notes += missing
    return learner


def make_convnet_learner(
    data: FittedImages,
    spec: ConvNetSpec,
    *,
    threads: int | None = None,
    group: Group | None = None,
) -> ConvNetLearner:
    """Return a new network with its first weights; `group` shares its batches, on PyTorch only.

    Where there is no torch, the program's own loops compute; see `make_autoencoder_learner`.

    Raises
    ------
    FilterscopeError
        There is no room.
    """
    missing = _missing(spec.engine)
    if spec.engine == "torch" and not missing:
        return TorchConvNetLearner(data, spec, threads=threads, group=group)
    learner = ConvNetLearner(data, spec, threads=threads)
    learner.notes += missing
    return learner


def _missing(engine: str) -> list[str]:
    """Return what a person must know where an engine is wanted that is not here."""
    if engine == "torch":
        try:
            load_torch()
        except FilterscopeError as error:
            return [f"{error.message.rstrip('.')}; the program's own loops compute"]
    return []
