"""What does not fit into memory is said before it is begun, and never ends the program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import safetensors.numpy

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.errors import FilterscopeError
from app.core.events import Failed, Finished
from app.core.learners import AutoencoderLearner
from app.core.memory import enough_memory, to_safetensors
from app.core.specs import AutoencoderSpec
from app.core.training import train

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def free(monkeypatch):
    """Say how many bytes of memory are free."""

    def say(size):
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=size))

    return say


def test_four_fifths_of_what_is_free_may_be_used(free):
    free(10 << 30)
    enough_memory(8 << 30, "Two numbers", "Take one.")
    with pytest.raises(FilterscopeError) as caught:
        enough_memory((8 << 30) + 1, "Two numbers", "Take one.")
    assert str(caught.value) == "Two numbers need 8.0 GiB of memory; 10.0 GiB are free. Take one."


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_network_that_is_too_large_is_refused_before_it_is_made(free, solver):
    x = np.zeros((4, 256), np.float32)
    spec = AutoencoderSpec(solver=solver, hidden_units=64)
    free(100 << 20)
    AutoencoderLearner(x, spec)
    free(1 << 20)
    with pytest.raises(FilterscopeError, match="33,088 weights need") as caught:
        AutoencoderLearner(x, spec)
    assert "fewer hidden units" in caught.value.hint


def test_what_is_written_is_what_the_library_reads():
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.float32([1])}
    back = safetensors.numpy.load(to_safetensors(arrays, {"step": "1"}))
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)


@pytest.mark.parametrize("fail_at", range(1, 12))
def test_whichever_step_runs_out_of_memory_it_is_an_event(monkeypatch, fail_at):
    """The Nth call of the kernel finds no room; the weights stay what they were."""
    spec = AutoencoderSpec(hidden_units=5, batch_size=16, epochs=2)
    x = np.random.default_rng(0).uniform(0.1, 0.9, (80, 16)).astype(np.float32)
    learner = AutoencoderLearner(x, spec)
    calls, original = 0, learner._call

    def call(*arguments):
        nonlocal calls
        calls += 1
        if calls == fail_at:
            raise MemoryError
        return original(*arguments)

    monkeypatch.setattr(learner, "_call", call)
    *_, last = train(
        learner, spec, Control(), examples=80, order=EpochOrder(80, 0), run_id="r",
        clock=iter(range(1_000_000)).__next__,
    )  # fmt: skip
    assert np.isfinite(learner.theta).all()
    if calls < fail_at:
        assert isinstance(last, Finished)
    else:
        assert isinstance(last, Failed)
        assert (last.kind, last.step) == ("expected", fail_at - 1)
        assert "not enough memory" in last.message


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a limit that only Linux has")
@pytest.mark.parametrize("megabytes", [500, 900, 1300, 1800])
def test_a_limit_on_memory_is_one_sentence(tmp_path, megabytes):
    """Wherever the room ends: while reading, while making the network, in a step, in a save."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    done = subprocess.run(
        [
            sys.executable, str(ROOT / "main.py"), "train", "autoencoder", "--out", str(tmp_path / "run"),
            "--json", "--epochs", "1", "--threads", "1", "--set", "grayscale=no",
            "--set", "hidden_units=16384", "--set", "held_out=10200",
        ],
        preexec_fn=limit, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    assert (done.returncode == 0) == bool(done.stdout)
    assert done.returncode == 0 or "not enough memory" in done.stderr
    assert "Traceback" not in done.stderr
