from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.kernels.geometry import Windows
from app.core.kernels.helpers import Helpers

INSTRUCTIONS: str
MAX_THREADS: int
MOST_GROUPS: int

def limit_instructions(most: int) -> None: ...
def conv_forward(
    x: NDArray[Any],
    w: NDArray[Any],
    b: NDArray[Any],
    out: NDArray[Any],
    windows: Windows,
    relu: bool,
    pool_windows: Windows | None,
    where: NDArray[np.int32] | None,
    parts: int,
    helpers: Helpers,
) -> None: ...
def conv_backward(
    dout: NDArray[Any],
    x: NDArray[Any],
    w: NDArray[Any],
    dx: NDArray[Any] | None,
    dw: NDArray[Any],
    db: NDArray[Any],
    windows: Windows,
    seen: NDArray[Any] | None,
    pool_windows: Windows | None,
    where: NDArray[np.int32] | None,
    parts: int,
    helpers: Helpers,
) -> None: ...
def max_pool_forward(
    x: NDArray[Any],
    out: NDArray[Any],
    where: NDArray[np.int32],
    windows: Windows,
    parts: int,
    helpers: Helpers,
) -> None: ...
def max_pool_backward(
    dout: NDArray[Any],
    where: NDArray[np.int32],
    dx: NDArray[Any],
    windows: Windows,
    parts: int,
    helpers: Helpers,
) -> None: ...
def avg_pool_forward(
    x: NDArray[Any], out: NDArray[Any], windows: Windows, parts: int, helpers: Helpers
) -> None: ...
def avg_pool_backward(
    dout: NDArray[Any], dx: NDArray[Any], windows: Windows, parts: int, helpers: Helpers
) -> None: ...
def dense_forward(
    x: NDArray[Any],
    w: NDArray[Any],
    b: NDArray[Any],
    out: NDArray[Any],
    relu: bool,
    parts: int,
    helpers: Helpers,
) -> None: ...
def dense_backward(
    dout: NDArray[Any],
    x: NDArray[Any],
    w: NDArray[Any],
    dx: NDArray[Any] | None,
    dw: NDArray[Any],
    db: NDArray[Any],
    seen: NDArray[Any] | None,
    parts: int,
    helpers: Helpers,
) -> None: ...
def dense_backward_update(
    dout: NDArray[Any],
    x: NDArray[Any],
    w: NDArray[Any],
    memory: list[NDArray[Any]],
    dx: NDArray[Any] | None,
    db: NDArray[Any],
    seen: NDArray[Any] | None,
    squares: NDArray[np.float64],
    solver: int,
    step: int,
    learning_rate: float,
    momentum: float,
    reg: float,
    parts: int,
    helpers: Helpers,
) -> None: ...
def update(
    theta: NDArray[Any],
    gradient: NDArray[Any],
    memory: list[NDArray[Any]],
    solver: int,
    step: int,
    learning_rate: float,
    momentum: float,
    reg: float,
    parts: int,
    helpers: Helpers,
) -> None: ...
