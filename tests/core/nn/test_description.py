"""Shapes, numbers and the row that breaks, held against torch and against hand-made sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.core.errors import ShapeError
from app.core.nn.description import complete_layers, describe_network, weight_shapes
from app.core.nn.network import Network
from app.core.specs.layer_list import parse_layers
from app.core.specs.layers import Affine, walk


def describe(text, shape=(3, 32, 32), classes=10):
    return describe_network(parse_layers(text), shape, classes)


def test_the_three_layer_network():
    found = describe("conv 32 7x7, relu, pool 2, affine 500, relu")
    assert found.error is None
    assert [layer.out_shape for layer in found.layers] == [
        (32, 32, 32),
        (32, 32, 32),
        (32, 16, 16),
        (500,),
        (500,),
        (10,),
    ]
    assert [layer.receptive_field[0] for layer in found.layers] == [7, 7, 8, 32, 32, 32]
    # 32·3·7·7 + 32, 8192·500 + 500, 500·10 + 10.
    assert found.parameter_count == 4736 + 4_096_500 + 5010
    assert found.multiply_adds == 32 * 32 * 32 * 147 + 8192 * 500 + 5000
    assert found.text == "conv 32 7x7, relu, pool 2, affine 500, relu, affine 10"
    assert [p.name for p in found.parameters] == ["W1", "b1", "W2", "b2", "W3", "b3"]


@pytest.mark.parametrize(
    "text",
    [
        "conv 4 5x3 stride 2 pad 1, pool 3 stride 2, conv 6 3x3, avg_pool 2",
        "[conv 4, batchnorm, relu, conv 4, relu, pool 2] x 2, global_avg_pool",
        "conv 8 1x1, groupnorm 2, residual(conv 8, elu, conv 8 5x5, layernorm), pool 5 stride 3",
        "residual(conv 7 3x3 stride 2, relu), affine 20, batchnorm, leaky_relu, dropout, affine 10",
    ],
)
def test_shapes_and_counts_are_those_that_are_computed(text):
    network = Network(parse_layers(text), (3, 17, 20), 10)
    network.initialise(np.random.default_rng(0), how="he")
    x = np.random.default_rng(1).normal(size=(2, 3, 17, 20)).astype(np.float32)
    described = [layer for layer in network.description.layers if len(layer.place) == 1]
    for expected, (layer, out) in zip(described, network.outputs(x), strict=True):
        assert layer is expected
        assert out.shape[1:] == layer.out_shape
    assert network.theta.size == network.description.parameter_count
    shapes = weight_shapes(parse_layers(text), (3, 17, 20), 10)
    assert {name: array.shape for name, array in network.weights().items()} == shapes


def test_receptive_fields_are_what_a_pixel_can_change():
    """Of one output in the middle, the pixels whose gradient is not zero."""
    text = "conv 2 3x5 pad 1, pool 2, conv 2 3x3 stride 2 pad 0, avg_pool 2"
    described = [layer for layer in describe(text, (1, 64, 64)).layers if layer.place[0] < 4]
    x = torch.rand(1, 1, 64, 64, dtype=torch.float64, requires_grad=True)
    layers = [
        torch.nn.Conv2d(1, 2, (3, 5), padding=1),
        torch.nn.AvgPool2d(2),
        torch.nn.Conv2d(2, 2, 3, stride=2),
        torch.nn.AvgPool2d(2),
    ]
    out = x
    for info, layer in zip(described, layers, strict=True):
        out = layer.double()(out)
        middle = out[0, 0, out.shape[2] // 2, out.shape[3] // 2]
        (slope,) = torch.autograd.grad(middle, x, retain_graph=True)
        rows, columns = np.nonzero(slope[0, 0].numpy())
        assert info.receptive_field == (np.ptp(rows) + 1, np.ptp(columns) + 1)


@pytest.mark.parametrize(
    ("text", "row", "said"),
    [
        ("conv 4, pool 40", "Row 2, pool 40", "40×40 does not fit a picture of 32×32"),
        ("pool 2, affine 9, relu, conv 4", "Row 4, conv 4 3x3", "9 numbers in a row"),
        ("affine 9, relu, global_avg_pool", "Row 3", "9 numbers in a row"),
        ("conv 6, groupnorm 4", "Row 2, groupnorm 4", "6 channels cannot be divided into 4"),
        ("relu, residual(pool 2, conv 4 20x20 pad 0)", "Row 2.2", "20×20 does not fit"),
        ("residual(conv 4, affine 3)", "Row 1, residual", "3 numbers in a row"),
        ("residual(conv 4 3x3 pad 3)", "Row 1, residual", "no stride of the shortcut"),
        ("conv 4, affine 500", "Row 2, affine 500", "500 scores and there are 10 classes"),
        ("affine 65536, relu, affine 65536, relu", "Row 1", "are more than the 200,000,000"),
    ],
)
def test_the_row_that_breaks_is_named_with_its_numbers(text, row, said):
    found = describe(text)
    assert found.error is not None
    assert str(found.error).startswith(row)
    assert said in str(found.error)
    assert found.layers[-1].error
    assert not any(layer.error for layer in found.layers[:-1])
    with pytest.raises(ShapeError, match=row.partition("(")[0]):
        Network(parse_layers(text), (3, 32, 32), 10)


def test_the_layer_of_the_scores_is_added_where_it_is_missing():
    def end(text):
        return complete_layers(parse_layers(text), (3, 8, 8), 4)[-1].text

    assert end("conv 5, relu") == "affine 4"
    assert end("conv 5, affine 4") == "affine 4"
    assert end("conv 4, global_avg_pool") == "global_avg_pool"
    assert end("conv 5, global_avg_pool") == "affine 4"
    assert complete_layers((), (3, 8, 8), 4) == (Affine(units=4),)


def test_without_classes_the_list_stays_as_it_is():
    rows = parse_layers("conv 5, relu")
    found = describe_network(rows, (3, 8, 8))
    assert [layer.row for layer in found.layers] == list(walk(rows))
    assert found.error is None


def test_a_shortcut_is_described():
    inner, relu, block = describe("residual(conv 6 3x3 stride 2, relu)").layers[:3]
    assert (inner.place, relu.place, block.place) == ((0, 0), (0, 1), (0,))
    assert block.note == "shortcut: conv 6 1x1 stride 2"
    assert [p.name for p in block.parameters] == ["W2", "b2"]
    assert block.parameters[0].shape == (6, 3, 1, 1)
