"""Checks of the exercise's three-layer network: loss and gradient before any training."""

from __future__ import annotations

import math
from collections.abc import Iterator

from app.core.checks.common import draws
from app.core.checks.outcomes import Conditions, Measure, check
from app.core.nn.gradient_check import check_network
from app.core.nn.network import Network
from app.core.specs.layer_list import parse_layers

__all__ = ["CHECKS", "GROUP"]

GROUP = "Three-layer network"
# h = 1e-6 as in the report.
STEP = 1e-6
REPORT = {
    "W1": "1.4e-4",
    "b1": "3.5e-5",
    "W2": "1.8e-2",
    "b2": "2.5e-3",
    "W3": "3.1e-4",
    "b3": "7.9e-10",
}


@check(GROUP, "The loss of random weights is ln 10, and L2 of 0.5 adds what it should")
def convnet_loss(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    network = Network(
        parse_layers("conv 32 7x7, relu, pool 2, affine 100, relu"),
        (3, 32, 32),
        10,
        dtype="float64",
    )
    network.initialise(rng)
    x, y = rng.randn(50, 3, 32, 32), rng.randint(10, size=50)
    plain = float(network.loss(x, y).terms.sum())
    held = float(network.loss(x, y, reg=0.5).terms.sum())
    squares = sum(float((network.parameters[name] ** 2).sum()) for name in ("W1", "W2", "W3"))
    yield Measure("away from ln 10", abs(plain - math.log(10)), 1e-3, "9.8e-7")
    yield Measure("L2 away from 0.25 ΣW²", abs(held - plain - 0.25 * squares), 1e-9)
    yield Measure("higher with L2 by", held - plain, 0.1, "0.2057", at_least=True)
    yield Measure("loss", plain, None, "2.30259")
    yield Measure("loss with L2", held, None, "2.50826")


@check(
    GROUP,
    "Its gradient agrees with central differences for every parameter, where rounding lets them say "
    "anything",
)
def convnet_gradient(_: Conditions) -> Iterator[Measure]:
    # In the order of the report, so that the same numbers are drawn.
    rng = draws()
    x, y = rng.randn(2, 3, 16, 16), rng.randint(10, size=2)
    network = Network(
        parse_layers("conv 3 3x3, relu, pool 2, affine 7, relu"), (3, 16, 16), 10, dtype="float64"
    )
    network.initialise(rng)
    gradient = network.views(network.loss(x, y).gradient)
    checked = check_network(
        lambda: float(network.loss(x, y).terms[0]),
        network.parameters,
        gradient,
        h=STEP,
        bound=1e-2,
    )
    for name, result in checked.items():
        yield Measure(name, result.clear_error, 1e-2, REPORT[name], detail=result)
        if result.clear_error < result.error:
            # A slope of 5e-9 beside a loss of 2.3: with h = 1e-6 five of its digits are rounding.
            hidden = int(result.rounding.sum())
            yield Measure(
                f"{name} with the {hidden} slopes lost in rounding",
                result.error,
                None,
                REPORT[name],
            )
    yield Measure("faults", sum(result.faults for result in checked.values()), 0.0)


CHECKS = (convnet_loss, convnet_gradient)
