"""The loops that must be fast, compiled where a compiler was there, with readable twins.

`choose` returns the module to use; `COMPILED` and `REASON` say which it will be and why. The layers
are here by their own names too, as fast as they can be had: ``kernels.conv_forward`` is the compiled
one, or its twin.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from app.core.kernels import reference
from app.core.kernels.reference import (
    affine_backward,
    affine_forward,
    affine_relu_backward,
    affine_relu_forward,
    avg_pool_backward,
    avg_pool_forward,
    batchnorm_backward,
    batchnorm_forward,
    conv_backward,
    conv_forward,
    conv_norm_relu_pool_backward,
    conv_norm_relu_pool_forward,
    conv_relu_backward,
    conv_relu_forward,
    conv_relu_pool_backward,
    conv_relu_pool_forward,
    dropout_backward,
    dropout_forward,
    elu_backward,
    elu_forward,
    global_avg_pool_backward,
    global_avg_pool_forward,
    l2_loss,
    layernorm_backward,
    layernorm_forward,
    leaky_relu_backward,
    leaky_relu_forward,
    max_pool_backward,
    max_pool_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
    spatial_batchnorm_relu_backward,
    spatial_batchnorm_relu_forward,
    spatial_groupnorm_backward,
    spatial_groupnorm_forward,
    svm_loss,
)

__all__ = [
    "COMPILED",
    "LAYERS",
    "REASON",
    "affine_backward",
    "affine_forward",
    "affine_relu_backward",
    "affine_relu_forward",
    "avg_pool_backward",
    "avg_pool_forward",
    "batchnorm_backward",
    "batchnorm_forward",
    "choose",
    "conv_backward",
    "conv_forward",
    "conv_norm_relu_pool_backward",
    "conv_norm_relu_pool_forward",
    "conv_relu_backward",
    "conv_relu_forward",
    "conv_relu_pool_backward",
    "conv_relu_pool_forward",
    "dropout_backward",
    "dropout_forward",
    "elu_backward",
    "elu_forward",
    "global_avg_pool_backward",
    "global_avg_pool_forward",
    "l2_loss",
    "layernorm_backward",
    "layernorm_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "max_pool_backward",
    "max_pool_forward",
    "relu_backward",
    "relu_forward",
    "softmax_loss",
    "spatial_batchnorm_backward",
    "spatial_batchnorm_forward",
    "spatial_batchnorm_relu_backward",
    "spatial_batchnorm_relu_forward",
    "spatial_groupnorm_backward",
    "spatial_groupnorm_forward",
    "svm_loss",
]

LAYERS = tuple(
    sorted(name for name in reference.__all__ if name.endswith(("_forward", "_backward", "_loss")))
)

COMPILED = False
REASON = ""
_compiled: Any = None

if os.environ.get("FILTERSCOPE_KERNELS") == "reference":
    REASON = "asked for by FILTERSCOPE_KERNELS"
else:
    try:
        from app.core.kernels import compiled as _compiled

        COMPILED = True
    except ImportError as error:
        if importlib.util.find_spec("app.core.kernels._autoencoder") is None:
            REASON = "no compiler was there when it was installed"
        else:
            REASON = f"the compiled part cannot be loaded: {error}"


def choose(engine: str | None = None) -> Any:
    """Return the module ``compiled`` or ``reference``; the fastest there is by default.

    Raises
    ------
    ValueError
        `engine` is compiled and there are no compiled kernels.
    """
    if engine == "reference" or (engine is None and not COMPILED):
        return reference
    if not COMPILED:
        raise ValueError(f"there are no compiled kernels: {REASON}")
    return _compiled


if COMPILED:
    globals().update({name: getattr(_compiled, name) for name in LAYERS})
