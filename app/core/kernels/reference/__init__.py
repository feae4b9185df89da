"""The readable twins of the compiled kernels: documentation, test oracle and fallback."""

from __future__ import annotations

from app.core.kernels.reference.activations import (
    elu_backward,
    elu_forward,
    leaky_relu_backward,
    leaky_relu_forward,
    relu_backward,
    relu_forward,
)
from app.core.kernels.reference.autoencoder import (
    cost_gradient,
    train_steps,
)
from app.core.kernels.reference.conv import (
    conv_backward,
    conv_forward,
)
from app.core.kernels.reference.dense import (
    affine_backward,
    affine_forward,
)
from app.core.kernels.reference.dropout import (
    dropout_backward,
    dropout_forward,
)
from app.core.kernels.reference.losses import (
    l2_loss,
    softmax_loss,
    svm_loss,
)
from app.core.kernels.reference.moving import (
    affine_backward_update,
    affine_relu_backward_update,
)
from app.core.kernels.reference.norm import (
    batchnorm_backward,
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
    spatial_groupnorm_backward,
    spatial_groupnorm_forward,
)
from app.core.kernels.reference.pool import (
    avg_pool_backward,
    avg_pool_forward,
    global_avg_pool_backward,
    global_avg_pool_forward,
    max_pool_backward,
    max_pool_forward,
)
from app.core.kernels.reference.sandwich import (
    affine_relu_backward,
    affine_relu_forward,
    conv_norm_relu_pool_backward,
    conv_norm_relu_pool_forward,
    conv_relu_backward,
    conv_relu_forward,
    conv_relu_pool_backward,
    conv_relu_pool_forward,
    spatial_batchnorm_relu_backward,
    spatial_batchnorm_relu_forward,
)
from app.core.solvers.first_order import update

__all__ = [
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
]

NAME = "NumPy"
