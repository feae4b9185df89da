"""What the machine can do: who is asked, on how many threads; no figure is judged here."""

from __future__ import annotations

import builtins
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.core import kernels
from app.core.checks import machine_rate as module
from app.core.checks.machine_rate import MachineRate, machine_rate


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "ROUNDS", 2)
    monkeypatch.setattr(module, "LEAST", 0.0)
    monkeypatch.setattr(module, "PRODUCTS", (64,))
    monkeypatch.setattr(module, "CONVOLUTION", (2, 4, 8, 4, 3))


@pytest.fixture
def rated(monkeypatch):
    """Count operations instead of seconds, and say of whom they are asked."""
    asked = []

    def rate(operations, function):
        function()
        asked.append(operations)
        return float(operations)

    monkeypatch.setattr(module, "_rate", rate)
    monkeypatch.setattr(module, "cores", lambda: 3)
    return asked


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_all_that_is_here_is_asked_and_the_best_is_named(rated, precision):
    best = machine_rate(precision)
    product = 2 * 64**3
    # 2 pictures for each of 3 cores, 4 filters, 8×8 places, 4 channels, 3×3 taps.
    convolution = 2 * 6 * 4 * 8 * 8 * 4 * 3 * 3
    own = [product, convolution] if kernels.COMPILED else []
    assert rated == [product, *own]
    by = "own convolution" if kernels.COMPILED and convolution > product else "NumPy’s product"
    assert best == MachineRate(float(max(rated)), 3, precision, by)


def test_torch_is_asked_when_it_is_wanted_and_here(rated, monkeypatch):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    threads = torch.get_num_threads()
    alone = len(list(module._torch_rates("float32")))
    assert alone == 1
    assert torch.get_num_threads() == threads
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.split(".")[0] == "torch":
            raise ImportError("no torch here")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert list(module._torch_rates("float32")) == []


def test_without_compiled_kernels_the_others_are_asked(rated, monkeypatch):
    monkeypatch.setattr(module.kernels, "COMPILED", False)
    assert machine_rate("float32").by == "NumPy’s product"
    assert len(rated) == 1


def test_the_better_of_several_counts_and_what_has_no_rate_does_not():
    rate = MachineRate(2.0, 2, "float32", "first")
    assert rate.or_better((1.0, "slow"), (None, "pool")) is rate
    assert rate.or_better((3.0, "a"), (2.5, "b")) == MachineRate(3.0, 2, "float32", "a")


def test_a_real_rate_is_a_number_above_zero():
    assert machine_rate("float32").gflops > 0


@pytest.mark.parametrize("threads", [1, 3])
def test_a_product_that_is_divided_over_threads_is_the_whole_product(monkeypatch, threads):
    monkeypatch.setattr(module, "cores", lambda: threads)
    a, b = module._draw("float64", (10, 10), (10, 10))
    with ThreadPoolExecutor(threads) as pool:
        parts = module._shared_product(10, "float64", pool)()
    np.testing.assert_allclose(np.concatenate(parts), a @ b, rtol=1e-12)
