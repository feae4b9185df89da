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
from app.core.learners import AutoencoderLearner, make_convnet_learner
from app.core.learners.need import need_of
from app.core.memory import Need, enough_for, enough_memory, to_safetensors
from app.core.specs import AutoencoderSpec
from app.core.training import train
from tests.core.learners_of_images import data, spec

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def free(monkeypatch):
    """Say how many bytes of memory are free."""

    def say(size):
        monkeypatch.setattr(
            psutil, "virtual_memory", lambda: SimpleNamespace(available=size, total=1 << 40)
        )

    return say


def test_four_fifths_of_what_is_free_may_be_used(free):
    free(10 << 30)
    enough_memory(8 << 30, "Two numbers", "Take one.")
    with pytest.raises(FilterscopeError) as caught:
        enough_memory((8 << 30) + 1, "Two numbers", "Take one.")
    assert str(caught.value) == "Two numbers need 8 GiB of memory; 10 GiB are free. Take one."


NEED = Need(weights=1 << 30, each=10 << 20, batch=512, data=1 << 30)


@pytest.mark.parametrize(
    ("gibibytes", "fits"), [(9, 512), (8, 256), (4, 64), (2.6, 8), (2.5, 0), (1, 0)]
)
def test_the_batch_that_fits_is_the_largest_halving(gibibytes, fits):
    free = int(gibibytes * (1 << 30))
    assert NEED.fitting(free) == fits
    if fits:
        assert 0.8 * free >= NEED.weights + NEED.data + fits * NEED.each


def test_what_has_no_room_is_told_in_its_parts_with_the_batch_that_fits(free):
    free(9 << 30)
    enough_for(NEED, "All", "images", "Take less.")
    free(8 << 30)
    with pytest.raises(FilterscopeError) as caught:
        enough_for(NEED, "All", "images", "Take less.")
    assert caught.value.message == (
        "All need 7 GiB of memory (1 GiB for weights, gradients and the solver, 5 GiB for "
        "512 images at once, 1 GiB for all images); 8 GiB are free."
    )
    assert caught.value.hint == "A batch of 256 would fit."
    with pytest.raises(FilterscopeError, match="of memory of the GPU") as caught:
        enough_for(NEED, "All", "images", "Take less.", free=1 << 30, where="memory of the GPU")
    assert caught.value.hint == "Take less."


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_a_batch_of_images_that_is_too_large_is_refused_before_it_is_begun(free, engine):
    if engine == "torch":
        pytest.importorskip("torch")
    settings = spec(engine=engine, batch_size=80, layers="conv 64 3x3, relu")
    need = need_of(data(), settings)
    assert need.batch == 80
    # All that comes out of the three rows, and the image, and a slope and a cache for each.
    values = 3 * 64 + 2 * 64 * 64 + 4
    assert need.each == 3 * 4 * values
    free(int((need.total + 1) / 0.8))
    make_convnet_learner(data(), settings)
    free(int((need.weights + 45 * need.each) / 0.8))
    with pytest.raises(FilterscopeError, match="for 80 images at once") as caught:
        make_convnet_learner(data(), settings)
    assert caught.value.hint == "A batch of 40 would fit."
    make_convnet_learner(data(), settings.changed(batch_size=40))


def test_the_memory_of_a_gpu_is_asked_too(monkeypatch):
    pytest.importorskip("torch")
    from app.core.devices import Device
    from app.core.learners import on_device

    gpu = Device("cuda:0", "GPU", 5 << 20, 1 << 30)
    monkeypatch.setattr(on_device, "choose_device", lambda wanted: (gpu, ""))
    settings = spec(engine="torch", batch_size=80, layers="conv 64 3x3, relu")
    with pytest.raises(FilterscopeError, match=r"of memory of the GPU .* 5 MiB are free") as caught:
        make_convnet_learner(data(), settings)
    assert caught.value.hint == "A batch of 20 would fit."


def test_a_batch_of_patches_on_torch_is_asked_for_too(free, monkeypatch):
    pytest.importorskip("torch")
    from app.core.devices import Device
    from app.core.learners import make_autoencoder_learner, on_device

    x = np.zeros((4096, 256), np.float32)
    settings = AutoencoderSpec(engine="torch", hidden_units=32, batch_size=4096)
    # 4,096 rows of 256 and 32 numbers, a few times.
    free(20 << 20)
    with pytest.raises(FilterscopeError, match="for 4,096 patches at once") as caught:
        make_autoencoder_learner(x, settings)
    assert caught.value.hint == "A batch of 2048 would fit."
    free(1 << 30)
    make_autoencoder_learner(x, settings)
    gpu = Device("cuda:0", "GPU", 4 << 20, 1 << 30)
    monkeypatch.setattr(on_device, "choose_device", lambda wanted: (gpu, ""))
    with pytest.raises(FilterscopeError, match="of memory of the GPU") as caught:
        make_autoencoder_learner(x, settings)
    assert caught.value.hint == "A batch of 256 would fit."


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
        assert last.hint == "Try a batch of 8, or a smaller network."


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
