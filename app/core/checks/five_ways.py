"""The same network in five ways, from one set of weights."""

from __future__ import annotations

from collections.abc import Iterator

from app.core.checks.common import draws
from app.core.checks.outcomes import Conditions, Measure, NotHere, check
from app.core.devices import load_torch
from app.core.errors import FilterscopeError
from app.core.specs import ConvNetSpec

__all__ = ["CHECKS", "GROUP"]

GROUP = "Five ways"
# What PyTorch and the hand-written layers have in common, a block with a shortcut among it.
LAYERS = (
    "conv 8 5x5, batchnorm, relu, pool 2, "
    "residual(conv 12 3x3 stride 2, relu, conv 12 3x3), relu, dropout keep 0.8, affine 20, relu"
)
BOUNDS = {"float64": 1e-9, "float32": 1e-4}


@check(
    GROUP,
    "Readable loops, compiled layers and PyTorch’s three levels give the same scores and gradient",
)
def five_ways(conditions: Conditions) -> Iterator[Measure]:
    try:
        load_torch()
    except FilterscopeError as error:
        raise NotHere(error.message) from None
    from app.core.torch_models.five_ways import five_ways as ways

    rng = draws()
    x, y = rng.randn(4, 3, 16, 16), rng.randint(10, size=4)
    for number, (precision, bound) in enumerate(BOUNDS.items()):
        spec = ConvNetSpec(layers=LAYERS, precision=precision, initialisation="he")
        for way in ways(spec, x, y, 10):
            conditions.between(f"{way.name}, {precision}", number / len(BOUNDS))
            if way.name != "reference":
                yield Measure(f"{way.name}, {precision}", way.apart, bound)
            yield Measure(f"{way.name}, {precision}, ms", way.seconds * 1e3)


CHECKS = (five_ways,)
