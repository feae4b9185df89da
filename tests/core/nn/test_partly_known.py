"""A network of which not all arrays are known can be seen up to the first that is missing."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.nn.description import describe_network, first_without, weight_shapes
from app.core.nn.network import Network
from app.core.nn.reading import NetworkReader
from app.core.specs import ConvNetSpec

from ..small_images import small_fitted as fitted

SPEC = ConvNetSpec.build(
    {
        "layers": "conv 4 3x3, batchnorm, relu, residual(conv 4 3x3, relu), pool 2, affine 6, relu",
        "initialisation": "he",
    }
)


def test_the_first_row_that_lacks_an_array_is_found() -> None:
    data = fitted()
    shape, classes = data.images.shape, len(data.classes)
    description = describe_network(SPEC.rows, shape, classes)
    names = list(weight_shapes(SPEC.rows, shape, classes))
    assert first_without(description, names) is None
    assert first_without(description, []) == 0
    found = {}
    for name in names:
        found[name] = first_without(description, [other for other in names if other != name])
    assert found["W1"] == found["b1"] == 0
    # What batchnorm learns and what it keeps of the images are both of its row.
    batchnorm = [name for name in names if name.startswith(("gamma", "beta", "running"))]
    assert len(batchnorm) == 4
    assert {found[name] for name in batchnorm} == {1}
    # Rows inside of a block are of the block's place; the scores' row comes after the list.
    assert sorted(set(found.values())) == [0, 1, 3, 5, 7]


@pytest.mark.parametrize("place", range(5))
def test_maps_before_the_first_unknown_row_are_those_of_the_whole_network(place: int) -> None:
    data = fitted()
    network = Network(SPEC.rows, data.images.shape, len(data.classes))
    network.initialise(np.random.default_rng(3), how="he", weight_scale=0.1)
    weights = {name: array.copy() for name, array in network.weights().items()}
    large = max(weights, key=lambda name: weights[name].size)
    whole, part = (NetworkReader(data, SPEC) for _ in range(2))
    whole.load(weights)
    part.load({name: one for name, one in weights.items() if name != large}, partly=True)
    pixels = data.images.x[0]
    expected, found = whole.look(pixels, (place,)), part.look(pixels, (place,))
    np.testing.assert_array_equal(found.maps, expected.maps)
    assert len(expected.probabilities) == len(data.classes)
    assert len(found.probabilities) == 0
    # All of it, and it is as ever.
    part.load(weights, partly=True)
    np.testing.assert_array_equal(part.look(pixels, (place,)).probabilities, expected.probabilities)
    with pytest.raises(ValueError, match="missing"):
        part.load({name: one for name, one in weights.items() if name != large})
