"""What the benchmarks report; how fast anything is, is not tested here."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from app.core import bench, kernels
from app.core.bench import autoencoder, compare, convnet, layers
from app.core.errors import UsageError


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(autoencoder, "COUNT", 256)
    monkeypatch.setattr(autoencoder, "WIDTH", 12)
    monkeypatch.setattr(autoencoder, "UNITS", 5)
    monkeypatch.setattr(convnet, "IMAGES", 120)
    monkeypatch.setattr(convnet, "FILTERS", 3)
    monkeypatch.setattr(convnet, "HIDDEN", 5)
    monkeypatch.setattr(compare, "ROUNDS", 1)
    monkeypatch.setattr(compare, "CALLS", 1)


@pytest.fixture
def one_picture(monkeypatch):
    """The readable loops take seconds for more."""
    for name, conv in layers.CONVS.items():
        monkeypatch.setitem(layers.CONVS, name, replace(conv, x=(1, *conv.x[1:])))
    for name, shape in layers.POOLS.items():
        monkeypatch.setitem(layers.POOLS, name, (1, *shape[1:]))


@pytest.mark.parametrize("name", bench.BENCHES)
def test_ratios_are_ours_by_the_peers(name, one_picture):
    row = bench.run([name])[name]
    peers = {key.removeprefix("ratio_") for key in row if key.startswith("ratio_")}
    assert peers
    errors = {key for key in row if key.startswith("error_")}
    assert set(row) - errors == {"ours_s", "threads"} | {f"{p}_s" for p in peers} | {
        f"ratio_{p}" for p in peers
    }
    assert all(row[key] < 1e-4 for key in errors)
    for peer in peers:
        assert row["ours_s"] > 0
        assert row[f"ratio_{peer}"] == pytest.approx(row["ours_s"] / row[f"{peer}_s"])


def test_the_exercises_loop_and_torch_are_peers_of_an_epoch():
    pytest.importorskip("torch", reason="torch is not installed")
    row = bench.run(["autoencoder-epoch"])["autoencoder-epoch"]
    assert {"ratio_torch", "ratio_report_loop"} < set(row)


def test_layers_are_held_against_torch_and_the_readable_loops(one_picture):
    pytest.importorskip("torch", reason="torch is not installed")
    if not kernels.COMPILED:
        pytest.skip("no compiled kernels here")
    for name in ("conv_3x3_forward", "conv_3x3_backward", "pool_forward", "pool_backward"):
        row = bench.run([name])[name]
        assert {"ratio_torch", "ratio_naive", "error_torch", "error_naive"} < set(row)
    row = bench.run(["training_step"])["training_step"]
    assert {"ratio_torch", "ratio_torch_channels_last"} < set(row)


def test_torch_gets_its_threads_back(monkeypatch):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    before = torch.get_num_threads()
    monkeypatch.setattr(compare, "cores", lambda: before + 1)
    seen = []
    monkeypatch.setattr(
        autoencoder, "compare", lambda *_peers: seen.append(torch.get_num_threads()) or {}
    )
    bench.run(["autoencoder-epoch"])
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_without_torch_that_peer_is_left_out_and_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    said = []
    row = bench.run(["autoencoder-epoch"], said.append)["autoencoder-epoch"]
    assert "ratio_torch" not in row
    assert "ratio_report_loop" in row
    assert any("torch is left out" in line for line in said)


def test_it_is_said_when_the_twin_is_measured(monkeypatch):
    monkeypatch.setattr(kernels, "COMPILED", False)
    monkeypatch.setattr(kernels, "REASON", "a reason")
    said = []
    bench.run(["autoencoder-products-1-thread"], said.append)
    assert said[0] == "ours is the NumPy twin: a reason"


def test_an_unknown_name_is_refused():
    with pytest.raises(UsageError, match="no benchmark"):
        bench.run(["speed"])


def test_the_table_has_a_line_for_each_peer():
    text = bench.table({"x": {"ours_s": 0.01, "torch_s": 0.06, "ratio_torch": 1 / 6, "threads": 2}})
    assert "10.00 ms" in text
    assert "60.00 ms" in text
    assert "6.00 × faster" in text
