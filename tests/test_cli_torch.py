"""A training on PyTorch goes on with the same bits, whatever ended it: a kill, or its device."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

from app.cli import main
from app.core import devices
from app.core.devices import Device
from app.core.learners.torch_convnet import TorchConvNetLearner
from app.core.runs import RunFolder
from app.core.runs.checkpoint import checkpoint_files, read_checkpoint
from app.core.training import train
from tests.core.learners_of_images import images
from tests.test_cli_resume import interrupted, same

pytest.importorskip("torch")

# One thread: sums are added in the same order then. With more, PyTorch promises less.
SETTINGS = [
    *(
        "--set",
        "engine=torch",
        "--set",
        "layers=conv 4 3x3, batchnorm, relu, pool 2, affine 8, relu",
    ),
    *("--set", "batch_size=16", "--set", "train_count=80", "--set", "validation_count=20"),
    *("--set", "dropout=0.3", "--set", "flip=yes", "--set", "crop=2", "--set", "evaluate_every=3"),
    *("--epochs", "25", "--threads", "1"),
]


@pytest.fixture
def file(tmp_path):
    drawn = images()
    np.savez(tmp_path / "labelled.npz", images=drawn.x, labels=drawn.y)
    return tmp_path / "labelled.npz"


@pytest.fixture
def said(capsys):
    """Run a command; returns its exit code, standard output and standard error."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


def training(file, out):
    return [str(word) for word in ("train", "cnn", file, *SETTINGS, "--out", out)]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_killed_or_stopped_and_resumed_it_ends_with_the_same_bits(said, file, tmp_path, how):
    assert said(*training(file, tmp_path / "whole"))[0] == 0
    # SIGTERM is not heard: it ends a process as SIGKILL does, and Windows has it too.
    code = interrupted(training(file, tmp_path / "run"), 37, how)
    assert code == 130 if how == signal.SIGINT else code != 0
    assert said("runs", "resume", tmp_path / "run", "--threads", 1)[0] == 0
    same(tmp_path / "whole", tmp_path / "run")


def test_a_device_that_dies_in_the_middle_leaves_a_run_that_goes_on_on_the_cpu(
    said, file, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    assert said(*training(file, tmp_path / "whole"))[0] == 0
    monkeypatch.setitem(train.__kwdefaults__, "checkpoint_seconds", 0.0)
    step = TorchConvNetLearner._tensor_step

    def dying(self, *arguments):
        # In the middle of the second epoch.
        if self.taken == 7:
            raise RuntimeError("CUDA error: unspecified launch failure\nand more of it")
        return step(self, *arguments)

    monkeypatch.setattr(TorchConvNetLearner, "_tensor_step", dying)
    code, out, err = said(*training(file, run))
    assert (code, out) == (1, "")
    assert "filterscope: CPU stopped working: CUDA error: unspecified launch failure\n" in err
    assert "What was kept last is good." in err
    info = RunFolder.open(run).info
    assert info.state == "expected"
    saved = read_checkpoint(checkpoint_files(run)[0])
    assert 4 <= saved.step <= 7

    monkeypatch.setattr(TorchConvNetLearner, "_tensor_step", step)
    cpu = Device("cpu", "CPU", 1 << 30, 1 << 31)
    broken = Device("cuda:0", "Some GPU", problem="unspecified launch failure")
    monkeypatch.setattr(devices, "find_devices", lambda: (broken, cpu))
    code, out, err = said("runs", "resume", run, "--threads", 1, "--json")
    assert code == 0, err
    assert json.loads(out)["epochs"] == 25
    assert "Some GPU cannot be used: unspecified launch failure; the CPU computes" in err
    same(tmp_path / "whole", run)


def test_an_autoencoder_on_pytorch_has_the_costs_of_the_own_loops(said, tmp_path):
    rng = np.random.default_rng(3)
    np.save(tmp_path / "patches.npy", rng.integers(0, 256, (120, 6, 6, 3), dtype=np.uint8))
    settings = ("--set", "hidden_units=8", "--set", "batch_size=30", "--threads", "1")
    costs = {}
    for engine in ("torch", "compiled"):
        out = tmp_path / engine
        code, _, err = said(
            "train", "autoencoder", tmp_path / "patches.npy", *settings,
            "--set", f"engine={engine}", "--set", "device=cpu", "--epochs", "3", "--out", out,
        )  # fmt: skip
        assert code == 0, err
        told = json.loads((out / "run.json").read_text(encoding="utf-8"))
        assert told["engine"].startswith("PyTorch") == (engine == "torch")
        history, _ = RunFolder.open(out).read_history()
        costs[engine] = history.terms.sum(axis=1)
        assert len(costs[engine]) == 12
    np.testing.assert_allclose(costs["torch"], costs["compiled"], rtol=1e-4)
