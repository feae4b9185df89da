from typing import Any, Literal

from numpy.typing import NDArray

from app.core.kernels.helpers import Helpers

Kind = Literal["maps", "columns", "rows"]
Maps = tuple[int, int, int]
Groups = tuple[int, int, int, int]

def limit_instructions(most: int) -> None: ...
def normalize(
    kind: Kind,
    x: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    out: NDArray[Any],
    moments: NDArray[Any],
    maps: Maps,
    groups: Groups,
    eps: float,
    given: bool,
    relu: bool,
    parts: int,
    helpers: Helpers,
) -> None: ...
def normalize_backward(
    kind: Kind,
    dout: NDArray[Any],
    x: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    moments: NDArray[Any],
    sums: NDArray[Any],
    dx: NDArray[Any],
    dgamma: NDArray[Any],
    dbeta: NDArray[Any],
    maps: Maps,
    groups: Groups,
    given: bool,
    relu: bool,
    parts: int,
    helpers: Helpers,
) -> None: ...
def relu_forward(x: NDArray[Any], out: NDArray[Any], parts: int, helpers: Helpers) -> None: ...
def relu_backward(
    dout: NDArray[Any], x: NDArray[Any], dx: NDArray[Any], parts: int, helpers: Helpers
) -> None: ...
def leaky(
    values: NDArray[Any],
    x: NDArray[Any],
    slope: float,
    out: NDArray[Any],
    parts: int,
    helpers: Helpers,
) -> None: ...
def multiply(
    x: NDArray[Any], mask: NDArray[Any], out: NDArray[Any], parts: int, helpers: Helpers
) -> None: ...
def dropout(
    x: NDArray[Any],
    drawn: NDArray[Any],
    p: float,
    mask: NDArray[Any],
    out: NDArray[Any],
    parts: int,
    helpers: Helpers,
) -> None: ...
def mean_forward(
    x: NDArray[Any], out: NDArray[Any], size: int, parts: int, helpers: Helpers
) -> None: ...
def mean_backward(
    dout: NDArray[Any], dx: NDArray[Any], size: int, parts: int, helpers: Helpers
) -> None: ...
