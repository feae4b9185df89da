"""What the checks of layers share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.checks.outcomes import Measure
from app.core.nn.gradient_check import check_layer

__all__ = ["SEED", "best_time", "draws", "engines", "gradients", "ramp"]

SEED = 231
# Elements of an array that are looked at on the slow engine.
SAMPLE = 40


def draws() -> np.random.RandomState:
    """Return the generator the report used, with its seed: the same numbers come out."""
    return np.random.RandomState(SEED)


def ramp(low: float, high: float, *shape: int) -> NDArray[np.float64]:
    """Return equally spaced numbers in an array of that shape."""
    return np.linspace(low, high, num=int(np.prod(shape))).reshape(shape)


def engines(*names: str) -> list[Any]:
    """Return the modules of layers: the twins, and the compiled ones where `names` differ there."""
    found = [kernels.reference]
    if kernels.COMPILED:
        compiled = kernels.choose("compiled")
        if any(getattr(compiled, name) is not getattr(kernels.reference, name) for name in names):
            found.append(compiled)
    return found


def gradients(
    layer: str,
    forward: Callable[[Any], Callable[..., tuple[Any, Any]]],
    arrays: Mapping[str, NDArray[Any]],
    dout: NDArray[Any],
    bound: float,
    references: Mapping[str, str] | None = None,
    *,
    leave_out: Sequence[str] = (),
) -> Iterator[Measure]:
    """Yield the errors of a layer's gradients against central differences, on each engine.

    Parameters
    ----------
    layer : str
        Its name without ``_forward`` and ``_backward``.
    forward : callable
        Takes the layer's forward and returns a function of the arrays alone.
    arrays, dout
        As for `check_layer`.
    bound : float
    references : mapping, optional
        The report's figures by the array's name.
    leave_out : sequence of str
        Arrays whose gradient nobody looks at.
    """
    modules = engines(f"{layer}_forward", f"{layer}_backward")
    for layers in modules:
        # The readable loops are slow: some elements will do where the other is looked at whole.
        slow = layers is kernels.reference and len(modules) > 1
        function = forward(getattr(layers, f"{layer}_forward"))
        backward = getattr(layers, f"{layer}_backward")
        checked = check_layer(
            function,
            backward,
            arrays,
            dout,
            leave_out=leave_out,
            sample=SAMPLE if slow else None,
            bound=bound,
        )
        for name, result in checked.items():
            reference = (references or {}).get(name, "")
            yield Measure(
                f"d{name}", result.error, bound, reference, engine=layers.NAME, detail=result
            )


def best_time(function: Callable[[], object], rounds: int = 5) -> float:
    """Return the least time of some calls, in seconds: noise only ever makes them slower."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best
