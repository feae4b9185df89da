"""The table of a network: its sums against torch, its text against its values."""

from __future__ import annotations

import pytest

from app.core.nn.description import describe_network
from app.core.nn.summary import summary_facts, summary_text
from app.core.specs.layer_list import parse_layers

TEXT = "conv 32 5x5 stride 2, batchnorm, relu, residual(conv 8, relu, conv 16), pool 2, affine 20, relu"


def test_weights_and_multiply_adds_are_those_that_torch_counts() -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    nn = torch.nn
    inside = nn.Sequential(
        nn.Conv2d(32, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1)
    )
    shortcut = nn.Conv2d(32, 16, 1)
    first = nn.Sequential(nn.Conv2d(3, 32, 5, 2, 2), nn.BatchNorm2d(32), nn.ReLU())
    last = nn.Sequential(
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 64, 20), nn.ReLU(), nn.Linear(20, 10)
    )
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        out = first(torch.zeros(1, 3, 32, 32))
        last(inside(out) + shortcut(out))
    facts = summary_facts(describe_network(parse_layers(TEXT), (3, 32, 32), 10))
    # An operation is a product or a sum.
    assert 2 * facts["multiply_adds"] == counter.get_total_flops()
    parts = (first, inside, shortcut, last)
    assert facts["weights"] == sum(p.numel() for part in parts for p in part.parameters())


def test_the_text_says_what_the_values_say() -> None:
    description = describe_network(parse_layers(TEXT), (3, 32, 32), 10)
    facts, lines = summary_facts(description), summary_text(description).splitlines()
    assert len(lines) == len(facts["layers"]) + 3
    for line, layer in zip(lines[2:], facts["layers"], strict=False):
        assert line.split()[0] == layer["row"]
        assert " × ".join(map(str, layer["output"])) in line
        if layer["weights"]:
            assert f"{layer['weights']:,}" in line
        assert line.endswith(" × ".join(map(str, layer["sees"])))
    assert f"{facts['weights']:,}" in lines[-1]
    assert f"{facts['multiply_adds']:,}" in lines[-1]
    assert "shortcut: conv 16 1x1" in lines[8]
    assert sum(layer["weights"] for layer in facts["layers"]) == facts["weights"]
