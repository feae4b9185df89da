"""The same network in five ways, from one set of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.core.checks.common import draws
from app.core.checks.ladders import NetworkSource
from app.core.checks.outcomes import Conditions, Measure, NotHere, check
from app.core.data.image_preprocess import fit_images
from app.core.data.image_reader import open_images
from app.core.devices import load_torch
from app.core.errors import FilterscopeError
from app.core.nn.description import describe_network
from app.core.nn.ways import BOUNDS, ways_here
from app.core.nn.ways import five_ways as ways
from app.core.specs import ConvNetSpec
from app.core.specs.layers import Conv

__all__ = ["CHECKS", "GROUP", "WayTold", "Ways", "ways_of_source"]

GROUP = "Five ways"
# What PyTorch and the hand-written layers have in common, a block with a shortcut among it.
LAYERS = (
    "conv 8 5x5, batchnorm, relu, pool 2, "
    "residual(conv 12 3x3 stride 2, relu, conv 12 3x3), relu, dropout keep 0.8, affine 20, relu"
)
# Of a network whose convolutions give more numbers than this for one image, the loops are given
# fewer images: each number takes them some microseconds.
MANY_OUTPUTS, FEW, FEWEST = 100_000, 4, 2


@check(
    GROUP,
    "Readable loops, compiled layers and PyTorch’s three levels give the same scores and gradient",
)
def five_ways(conditions: Conditions) -> Iterator[Measure]:
    try:
        load_torch()
    except FilterscopeError as error:
        raise NotHere(error.message, needs="PyTorch") from None
    rng = draws()
    x, y = rng.randn(4, 3, 16, 16), rng.randint(10, size=4)
    for number, (precision, bound) in enumerate(BOUNDS.items()):
        spec = ConvNetSpec(layers=LAYERS, precision=precision, initialisation="he")
        for way in ways(spec, x, y, 10):
            conditions.between(f"{way.name}, {precision}", number / len(BOUNDS))
            if way.name != "reference":
                yield Measure(f"{way.name}, {precision}", way.apart, bound)
            yield Measure(f"{way.name}, {precision}, ms", way.seconds * 1e3)


@dataclass(frozen=True)
class WayTold:
    """What one way gave, in a few numbers; see `app.core.nn.ways.Way`."""

    name: str
    loss: float
    scores_apart: float
    gradient_apart: float
    seconds: float

    @property
    def apart(self) -> float:
        """The larger of both differences."""
        return max(self.scores_apart, self.gradient_apart)


@dataclass(frozen=True)
class Ways:
    """What is about to be compared.

    Attributes
    ----------
    names : tuple of str
        The ways that there are here.
    missing : str
        Why there are not five; empty where there are.
    images, weights : int
        How many images go through, and how many numbers are learned.
    """

    names: tuple[str, ...]
    missing: str
    images: int
    weights: int


def ways_of_source(
    source: NetworkSource, say: Callable[[str, float], None]
) -> Iterator[Ways | WayTold]:
    """Read some images, and send them through a network in every way that there is here.

    Raises
    ------
    FilterscopeError
        The images cannot be opened or the network is impossible.
    """
    say("Reading the images", 0.0)
    data = fit_images(open_images(source.path, side=source.side), source.images)
    spec, classes = source.spec, len(data.classes)
    description = describe_network(spec.rows, data.images.shape, classes)
    if description.error is not None:
        raise description.error
    outputs = sum(
        layer.out_shape[0] * layer.out_shape[1] * layer.out_shape[2]
        for layer in description.layers
        if isinstance(layer.row, Conv)
    )
    rows = data.split.train[: FEW if outputs <= MANY_OUTPUTS else FEWEST]
    names, missing = ways_here()
    yield Ways(names, missing, len(rows), description.parameter_count)

    def begun(name: str) -> None:
        say(name, (names.index(name) + 0.3) / len(names))

    x, y = data.rows(rows, spec.precision), data.labels(rows)
    for way in ways(spec, x, y, classes, begun):
        yield WayTold(way.name, way.loss, way.scores_apart, way.gradient_apart, way.seconds)


CHECKS = (five_ways,)
