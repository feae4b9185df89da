from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.kernels.helpers import Helpers

INSTRUCTIONS: str
MAX_THREADS: int

class Workspace:
    threads: int
    key: tuple[bool, int, int, int, int]
    def __init__(self, double: bool, D: int, L: int, batch: int, threads: int) -> None: ...
    def limit_instructions(self, most: int) -> None: ...
    def run(self, part: int) -> None: ...

def train_steps(
    space: Workspace,
    theta: NDArray[Any],
    memory: NDArray[Any],
    x: NDArray[Any],
    order: NDArray[np.int64],
    terms: NDArray[np.float64],
    rho_hat: NDArray[np.float64],
    interrupt: NDArray[np.int32],
    batch_size: int,
    taken: int,
    solver: int,
    linear: bool,
    learning_rate: float,
    momentum: float,
    lam: float,
    beta: float,
    rho: float,
    helpers: Helpers,
) -> tuple[int, bool]: ...
def full_pass(
    space: Workspace,
    theta: NDArray[Any],
    gradient: NDArray[Any],
    x: NDArray[Any],
    order: NDArray[np.int64],
    sums: NDArray[np.float64],
    pull: NDArray[np.float64],
    batch_size: int,
    scale: float,
    linear: bool,
    only_sums: bool,
    helpers: Helpers,
) -> tuple[float, float]: ...
