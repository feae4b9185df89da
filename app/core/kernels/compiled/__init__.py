"""The compiled kernels behind the twins' signatures; importing this fails where there are none.

What needs no compiler to be fast enough is the twin itself.
"""

from __future__ import annotations

from app.core.kernels.compiled.autoencoder import INSTRUCTIONS, cost_gradient, train_steps
from app.core.kernels.compiled.conv import (
    conv_backward,
    conv_forward,
    conv_relu_backward,
    conv_relu_forward,
    conv_relu_pool_backward,
    conv_relu_pool_forward,
)
from app.core.kernels.compiled.dense import (
    affine_backward,
    affine_backward_update,
    affine_forward,
    affine_relu_backward,
    affine_relu_backward_update,
    affine_relu_forward,
    update,
)
from app.core.kernels.compiled.norm import (
    batchnorm_backward,
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
    spatial_batchnorm_relu_backward,
    spatial_batchnorm_relu_forward,
    spatial_groupnorm_backward,
    spatial_groupnorm_forward,
)
from app.core.kernels.compiled.pointwise import (
    dropout_backward,
    dropout_forward,
    global_avg_pool_backward,
    global_avg_pool_forward,
    leaky_relu_backward,
    leaky_relu_forward,
    relu_backward,
    relu_forward,
)
from app.core.kernels.compiled.pool import (
    avg_pool_backward,
    avg_pool_forward,
    max_pool_backward,
    max_pool_forward,
)
from app.core.kernels.compiled.sandwich import (
    conv_norm_relu_pool_backward,
    conv_norm_relu_pool_forward,
)
from app.core.kernels.compiled.sharing import use_threads
from app.core.kernels.reference import (
    elu_backward,
    elu_forward,
    l2_loss,
    softmax_loss,
    svm_loss,
)

__all__ = [
    "INSTRUCTIONS",
    "NAME",
    "affine_backward",
    "affine_backward_update",
    "affine_forward",
    "affine_relu_backward",
    "affine_relu_backward_update",
    "affine_relu_forward",
    "avg_pool_backward",
    "avg_pool_forward",
    "batchnorm_backward",
    "batchnorm_forward",
    "conv_backward",
    "conv_forward",
    "conv_norm_relu_pool_backward",
    "conv_norm_relu_pool_forward",
    "conv_relu_backward",
    "conv_relu_forward",
    "conv_relu_pool_backward",
    "conv_relu_pool_forward",
    "cost_gradient",
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
    "train_steps",
    "update",
    "use_threads",
]

NAME = "compiled"
