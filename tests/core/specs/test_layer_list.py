"""A list of layers: as it is typed, as it is written back, and what is said of a wrong one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import UsageError
from app.core.params import describe
from app.core.specs import ConvNetSpec
from app.core.specs.layer_list import format_layers, parse_layers
from app.core.specs.layers import (
    LAYERS,
    Affine,
    AvgPool,
    Batchnorm,
    Conv,
    Dropout,
    Elu,
    GlobalAvgPool,
    Groupnorm,
    LeakyRelu,
    Pool,
    Relu,
    Residual,
    walk,
)

simple = st.one_of(
    st.builds(
        Conv,
        filters=st.integers(1, 4096),
        height=st.integers(1, 64),
        width=st.integers(1, 64),
        stride=st.integers(1, 64),
        pad=st.integers(0, 64),
    ),
    st.builds(Pool, size=st.integers(1, 64), stride=st.integers(1, 64)),
    st.builds(AvgPool, size=st.integers(1, 64), stride=st.integers(1, 64)),
    st.builds(Affine, units=st.integers(1, 65_536)),
    st.builds(LeakyRelu, slope=st.floats(0, 1, exclude_max=True)),
    st.builds(Elu, alpha=st.floats(0, 10, exclude_min=True)),
    st.builds(Groupnorm, groups=st.integers(1, 4096)),
    st.builds(Dropout, keep=st.none() | st.floats(0, 1, exclude_min=True)),
    st.sampled_from([Relu(), Batchnorm(), GlobalAvgPool()]),
)
layers = st.recursive(
    simple,
    lambda inside: st.builds(Residual, rows=st.lists(inside, min_size=1, max_size=4).map(tuple)),
    max_leaves=8,
)


@given(st.lists(layers, min_size=1, max_size=12), st.integers(1, 3))
def test_what_is_written_is_read_as_the_same(rows, times):
    rows = tuple(rows) * times
    assert parse_layers(format_layers(rows)) == rows


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (
            "[conv 32, relu, pool] x 3, fc 10",
            "[conv 32 3x3, relu, pool 2] x 3, affine 10",
        ),
        (
            "[conv 8 5, relu, conv 8 5x5, relu, maxpool 2]x2",
            "[[conv 8 5x5, relu] x 2, pool 2] x 2",
        ),
        ("[bn, ReLU, conv 16]*2, GAP", "[batchnorm, relu, conv 16 3x3] x 2, global_avg_pool"),
        ("affine 9; affine 9\naffine 9", "affine 9, affine 9, affine 9"),
        ("conv 4 3x3 pad 1 stride 1", "conv 4 3x3"),
        ("conv 4 7x7 pad 0 stride 2", "conv 4 7x7 stride 2 pad 0"),
        (
            "pool 3 stride 2, leaky 0.2, elu, dropout keep 0.5",
            "pool 3 stride 2, leaky_relu 0.2, elu, dropout keep 0.5",
        ),
        (
            "residual( [conv 16, relu] x 2, conv 16 ), relu",
            "residual([conv 16 3x3, relu] x 2, conv 16 3x3), relu",
        ),
    ],
)
def test_as_people_write(text, normal):
    assert format_layers(parse_layers(text)) == normal
    assert ConvNetSpec(layers=text).layers == normal
    assert ConvNetSpec(layers=normal).rows == parse_layers(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "There is no layer"),
        (" , ,", "There is no layer"),
        ("con 32", "“con 32” is no layer"),
        ("conv", "needs a number of filters"),
        ("conv many", "“many” after conv"),
        ("conv 3 4y4", "is not like conv 32 3x3"),
        ("conv 3 stride", "after stride"),
        ("conv 0", "filters = 0"),
        ("conv 99999", "filters = 99999"),
        ("conv 8 65x3", "height = 65"),
        ("pool 2 3", "is not like pool 2 stride 2"),
        ("pool 0", "size = 0"),
        ("affine", "needs one number"),
        ("relu 3", "takes no “3”"),
        ("elu 11", "alpha = 11"),
        ("elu 1 2", "one number at most"),
        ("leaky_relu no", "“no” is not a number"),
        ("dropout 0.5", "dropout keep 0.8"),
        ("dropout keep 0", "keep = 0"),
        ("groupnorm 1 2", "one number of groups"),
        ("[conv 3", "has no partner"),
        ("conv 3]", "has no partner"),
        ("[relu] x 0", "0 times"),
        ("[relu] x 101", "101 times"),
        ("[[[relu] x 100] x 100] x 100", "more than 400"),
        ("[" * 20 + "relu" + "]" * 20, "too deeply"),
        ("residual()", "nothing inside"),
        ("residual", "is no layer"),
        ("relu, " * 10_000, "longer than any"),
        ("relu," * 401, "more than 400"),
    ],
)
def test_what_cannot_be_meant_is_said(text, said):
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        ConvNetSpec().changed(layers=text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        rows = parse_layers(text)
    except UsageError:
        return
    assert parse_layers(format_layers(rows)) == rows


def test_rows_inside_of_blocks_are_walked_through():
    rows = parse_layers("relu, residual(elu, residual(relu))")
    assert [row.word for row in walk(rows)] == ["relu", "residual", "elu", "residual", "relu"]


@pytest.mark.parametrize("cls", LAYERS.values())
def test_every_layer_teaches_and_describes_its_numbers(cls):
    assert cls.teaches.endswith(".")
    if cls is not Residual:
        assert [parameter.name for parameter in describe(cls)] == list(cls.model_fields)
