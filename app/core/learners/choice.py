"""Which learner computes a convolutional network: the engine of its settings says it."""

from __future__ import annotations

from app.core.data.image_preprocess import FittedImages
from app.core.learners.convnet import ConvNetLearner
from app.core.learners.torch_convnet import TorchConvNetLearner
from app.core.specs import ConvNetSpec

__all__ = ["make_convnet_learner"]


def make_convnet_learner(
    data: FittedImages, spec: ConvNetSpec, *, threads: int | None = None
) -> ConvNetLearner:
    """Return a new network with its first weights.

    Raises
    ------
    FilterscopeError
        `spec.engine` is torch and there is none, or there is no room.
    """
    if spec.engine == "torch":
        return TorchConvNetLearner(data, spec, threads=threads)
    return ConvNetLearner(data, spec, threads=threads)
