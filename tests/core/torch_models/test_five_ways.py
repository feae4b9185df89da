"""One network, five ways: what must agree does, and what would not is seen."""

from __future__ import annotations

import numpy as np
import pytest

from app.core import kernels
from app.core.checks import CHECKS, run_check
from app.core.checks.five_ways import Ways, WayTold, ways_of_source
from app.core.checks.ladders import NetworkSource
from app.core.errors import FilterscopeError
from app.core.nn import ways as nn_ways
from app.core.source_code import code_of
from app.core.specs import ConvNetSpec, ImageSpec
from tests.core.learners_of_images import spec

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(3)
X, Y = RNG.standard_normal((3, 3, 8, 8)), RNG.integers(0, 4, 3)
NAMES = ["reference", "compiled", "barebones", "module", "sequential"]
if not kernels.COMPILED:
    NAMES.remove("compiled")


def ways(**values):
    from app.core.nn.ways import five_ways

    return list(five_ways(spec(**{"precision": "float64", **values}), X, Y, 4))


@pytest.mark.parametrize("loss", ["softmax", "svm"])
def test_all_ways_agree_with_dropout_and_smoothing_too(loss):
    threads = torch.get_num_threads()
    found = ways(loss=loss, dropout=0.4, label_smoothing=0.2)
    assert [way.name for way in found] == NAMES
    assert all(way.apart < 1e-9 for way in found)
    assert all(way.loss == pytest.approx(found[0].loss, rel=1e-12) for way in found)
    assert all(way.seconds > 0 for way in found)
    assert found[0].gradient.shape == found[-1].gradient.shape
    assert torch.get_num_threads() == threads


def test_a_way_that_computes_something_else_is_seen(monkeypatch):
    from app.core.torch_models import barebones

    def lazy(x, gamma, beta, *_):
        return x * gamma[:, None, None] + beta[:, None, None]

    monkeypatch.setattr(barebones, "batchnorm", lazy)
    apart = {way.name: way.apart for way in ways()}
    assert apart["compiled" if kernels.COMPILED else "reference"] < 1e-9
    assert apart["barebones"] > 1e-3


def test_the_check_holds_and_its_code_can_be_read_without_torch():
    outcome = run_check(CHECKS["five_ways"])
    assert outcome.passed, outcome
    (excerpt,) = code_of("app.core.torch_models.barebones.Barebones")
    assert excerpt.path == "app/core/torch_models/barebones.py"
    assert excerpt.text.startswith("class Barebones:")


def test_the_first_call_which_starts_things_is_nobodys_time(monkeypatch):
    clock, calls = [0.0], []

    def way():
        calls.append(clock[0])
        clock[0] += 50.0 if len(calls) == 1 else 0.125
        return len(calls)

    monkeypatch.setattr(nn_ways.time, "perf_counter", lambda: clock[0])
    result, seconds = nn_ways._timed(way)
    assert seconds == 0.125
    assert result == len(calls) > 2


SMALL = ConvNetSpec(layers="conv 3 5x5 stride 2, relu, pool 2, affine 6, relu", precision="float64")


def test_a_network_of_the_window_is_compared_on_images_of_its_own():
    said = []
    first, *told = ways_of_source(NetworkSource(SMALL, ImageSpec()), lambda *one: said.append(one))
    assert isinstance(first, Ways)
    assert (first.names, first.missing, first.images) == (tuple(NAMES), "", 4)
    assert [one.name for one in told] == NAMES
    assert all(isinstance(one, WayTold) and one.apart < 1e-9 for one in told)
    assert [text for text, _ in said] == ["Reading the images", *NAMES]
    assert [share for _, share in said] == sorted(share for _, share in said)


def test_without_torch_there_are_the_two_ways_of_the_program_and_it_is_said(monkeypatch):
    def missing():
        raise FilterscopeError("PyTorch is not installed.", "Install it.")

    monkeypatch.setattr(nn_ways, "load_torch", missing)
    first, *told = ways_of_source(NetworkSource(SMALL, ImageSpec()), lambda *_: None)
    assert first.missing.endswith("PyTorch is not installed.")
    assert [one.name for one in told] == NAMES[: len(NAMES) - 3]


def test_a_large_network_is_given_fewer_images():
    large = SMALL.changed(layers="conv 99 1x1, pool 8, affine 4, relu", precision="float32")
    first = next(ways_of_source(NetworkSource(large, ImageSpec()), lambda *_: None))
    assert first.images == 2
