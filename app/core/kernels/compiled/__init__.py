"""The compiled kernels behind the twins' signatures; importing this fails where there are none.

Each name stands once, in the `__all__` of the file that has the function.
"""

from __future__ import annotations

from app.core.kernels.compiled.autoencoder import *
from app.core.kernels.compiled.conv import *
from app.core.kernels.compiled.dense import *
from app.core.kernels.compiled.norm import *
from app.core.kernels.compiled.pointwise import *
from app.core.kernels.compiled.pool import *
from app.core.kernels.compiled.sandwich import *
from app.core.kernels.compiled.sharing import use_threads as use_threads

# What needs no compiler to be fast enough is the twin itself.
from app.core.kernels.reference.activations import elu_backward as elu_backward
from app.core.kernels.reference.activations import elu_forward as elu_forward
from app.core.kernels.reference.losses import *

NAME = "compiled"
