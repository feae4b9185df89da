"""Times of layers: every engine is given the same and gives the same; no figure is judged here."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from app.core import kernels
from app.core.checks import machine_rate, timing
from app.core.checks.layer_case import LAYER_TITLES, PRESETS, TimingSpec, draw_case
from app.core.checks.machine_rate import MachineRate
from app.core.checks.timing import Doing, Timed
from app.core.errors import ShapeError
from app.core.params import describe

SMALL = TimingSpec(batch=3, channels=2, height=9, width=8, filters=4, window=3, stride=2, pad=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(machine_rate, "ROUNDS", 2)
    monkeypatch.setattr(machine_rate, "LEAST", 0.0)
    monkeypatch.setattr(machine_rate, "PRODUCTS", (64,))
    monkeypatch.setattr(machine_rate, "CONVOLUTION", (2, 4, 8, 4, 3))


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("layer", LAYER_TITLES)
def test_every_engine_that_is_here_gives_the_same_numbers(layer, precision):
    events = list(timing.time_layer(SMALL.changed(layer=layer, precision=precision)))
    assert sum(isinstance(one, MachineRate) for one in events) == 1
    timed = [one for one in events if isinstance(one, Timed)]
    engines = list(dict.fromkeys(one.engine for one in timed))
    assert engines[0] == "NumPy"
    assert ("compiled" in engines) == kernels.COMPILED
    for engine in engines:
        both = [one for one in timed if one.engine == engine]
        assert [one.direction for one in both] == ["forward", "backward"]
        for one in both:
            assert one.seconds > 0
            assert one.pictures == 3
            assert (one.gflops is not None) == (layer in ("conv", "conv_relu_pool", "affine"))
            if engine == "NumPy":
                assert one.error is None
            else:
                assert one.error < (1e-4 if precision == "float32" else 1e-10)


def test_a_layer_that_computes_something_else_is_told(monkeypatch):
    if not kernels.COMPILED:
        pytest.skip("no compiled kernels here")
    compiled = kernels.choose("compiled")
    right = compiled.max_pool_forward

    def wrong(x, pool_param):
        out, cache = right(x, pool_param)
        return out + np.float32(0.25), cache

    monkeypatch.setattr(compiled, "max_pool_forward", wrong)
    events = timing.time_layer(SMALL.changed(layer="max_pool"))
    errors = {one.engine: one.error for one in events if isinstance(one, Timed)}
    assert errors["compiled"] > 0.05


def test_operations_are_those_of_the_products():
    case = draw_case(SMALL)
    # 3 pictures, 4 filters, 5×4 places, 2 channels, 3×3 taps; a product and a sum.
    assert case.operations == 2 * 3 * 4 * 5 * 4 * 2 * 9
    one = timing._timed("compiled", case, "forward", 2.0, 0.0, 3)
    assert one.gflops == pytest.approx(case.operations / 2e9)
    assert timing._timed("compiled", case, "backward", 2.0, 0.0, 3).gflops == 2 * one.gflops
    affine = draw_case(SMALL.changed(layer="affine"))
    assert affine.operations == 2 * 3 * (2 * 9 * 8) * 4


def test_slow_loops_are_given_up_and_the_rest_reckoned(monkeypatch):
    monkeypatch.setattr(timing, "PATIENCE", -1.0)
    events = timing.time_layer(SMALL.changed(batch=6))
    loops = [one for one in events if isinstance(one, Timed) and one.engine == "NumPy"]
    assert [one.pictures for one in loops] == [1, 1]


def test_progress_grows_and_it_can_be_closed_on_the_way():
    shares = [one.share for one in timing.time_layer(SMALL) if isinstance(one, Doing)]
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert shares[-1] <= 1
    started = timing.time_layer(SMALL)
    next(started)
    started.close()


def test_without_torch_the_rest_is_timed(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.split(".")[0] == "torch":
            raise ImportError("no torch here")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    engines = {one.engine for one in timing.time_layer(SMALL) if isinstance(one, Timed)}
    assert "NumPy" in engines
    assert "torch" not in engines


def test_torch_gets_its_threads_back():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    before = torch.get_num_threads()
    list(timing.time_layer(SMALL))
    assert torch.get_num_threads() == before


def test_what_does_not_fit_is_refused_before_anything_is_made():
    with pytest.raises(ShapeError, match="9×9"):
        list(timing.time_layer(SMALL.changed(window=9, pad=0, height=8)))
    with pytest.raises(ShapeError, match="GiB"):
        list(timing.time_layer(TimingSpec(batch=4096, channels=512, height=256, width=256)))


def test_presets_are_the_shapes_of_the_exercise_and_each_field_is_described():
    shapes = {
        name: (one.batch, one.channels, one.height, one.filters, one.window, one.stride)
        for name, one in PRESETS.items()
    }
    assert shapes["The report's convolution"] == (100, 3, 31, 25, 3, 2)
    assert shapes["First layer of the three-layer network"] == (50, 3, 32, 32, 7, 1)
    assert {one.name for one in describe(TimingSpec)} == set(TimingSpec.model_fields)


def test_the_machine_is_asked_more_than_once_and_the_best_counts(monkeypatch):
    rates = iter([3e8, 1e9, 2e8])
    asked = []

    def rate(precision, *, torch=False):
        asked.append(torch)
        return MachineRate(next(rates), 3, precision, f"try {len(asked)}")

    monkeypatch.setattr(timing, "machine_rate", rate)
    events = list(timing.time_layer(SMALL))
    # torch last, which takes a while to load.
    assert asked == [False, False, True]
    # At the end, when all of it is known.
    assert events[-1] == MachineRate(1e9, 3, "float32", "try 2")


def test_a_layer_is_never_faster_than_the_machine(monkeypatch):
    slow = MachineRate(1e-9, 1, "float32", "a slow product")
    monkeypatch.setattr(timing, "machine_rate", lambda *_, **__: slow)
    events = list(timing.time_layer(SMALL))
    reached = [one.gflops for one in events if isinstance(one, Timed) and one.engine != "NumPy"]
    if not reached:
        pytest.skip("neither compiled kernels nor torch here")
    assert events[-1].gflops == max(reached)
    assert events[-1].by.startswith("this layer, ")


def test_progress_and_result_tell_of_the_same_pictures(monkeypatch):
    moments = iter(np.arange(0.0, 1000.0, 0.5))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(moments)))
    events = list(timing._loops(draw_case(SMALL.changed(batch=30))))
    timed = [one for one in events if isinstance(one, Timed)]
    last = [one.text for one in events if isinstance(one, Doing)][-1]
    assert 1 < timed[0].pictures == timed[1].pictures < 30
    assert last == f"Readable loops, picture {timed[0].pictures} of 30"
