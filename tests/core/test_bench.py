"""What the benchmarks report; how fast anything is, is not tested here."""

from __future__ import annotations

import sys

import pytest

from app.core import bench, kernels
from app.core.errors import UsageError


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(bench, "COUNT", 256)
    monkeypatch.setattr(bench, "WIDTH", 12)
    monkeypatch.setattr(bench, "UNITS", 5)
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench, "CALLS", 1)


@pytest.mark.parametrize("name", bench.BENCHES)
def test_ratios_are_ours_by_the_peers(name):
    row = bench.run([name])[name]
    peers = {key.removeprefix("ratio_") for key in row if key.startswith("ratio_")}
    assert peers
    assert set(row) == {"ours_s", "threads"} | {f"{p}_s" for p in peers} | {
        f"ratio_{p}" for p in peers
    }
    for peer in peers:
        assert row["ours_s"] > 0
        assert row[f"ratio_{peer}"] == pytest.approx(row["ours_s"] / row[f"{peer}_s"])


def test_the_exercises_loop_and_torch_are_peers_of_an_epoch():
    pytest.importorskip("torch", reason="torch is not installed")
    row = bench.run(["autoencoder-epoch"])["autoencoder-epoch"]
    assert {"ratio_torch", "ratio_report_loop"} < set(row)


def test_torch_gets_its_threads_back(monkeypatch):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    before = torch.get_num_threads()
    monkeypatch.setattr(bench, "cores", lambda: before + 1)
    seen = []
    monkeypatch.setattr(
        bench, "_compare", lambda *_peers: seen.append(torch.get_num_threads()) or {}
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
