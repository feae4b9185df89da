"""The readable twins of the compiled kernels: documentation, test oracle and fallback.

Each name stands once, in the `__all__` of the file that has the function.
"""

from __future__ import annotations

from app.core.kernels.reference import (
    activations,
    autoencoder,
    conv,
    dense,
    dropout,
    losses,
    moving,
    norm,
    pool,
    sandwich,
)
from app.core.kernels.reference.activations import *
from app.core.kernels.reference.autoencoder import *
from app.core.kernels.reference.conv import *
from app.core.kernels.reference.dense import *
from app.core.kernels.reference.dropout import *
from app.core.kernels.reference.losses import *
from app.core.kernels.reference.moving import *
from app.core.kernels.reference.norm import *
from app.core.kernels.reference.pool import *
from app.core.kernels.reference.sandwich import *
from app.core.solvers.first_order import update

__all__ = ["NAME", "update"]
__all__ += activations.__all__
__all__ += autoencoder.__all__
__all__ += conv.__all__
__all__ += dense.__all__
__all__ += dropout.__all__
__all__ += losses.__all__
__all__ += moving.__all__
__all__ += norm.__all__
__all__ += pool.__all__
__all__ += sandwich.__all__

NAME = "NumPy"
