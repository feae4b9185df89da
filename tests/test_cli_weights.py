"""``--weights`` of the trainings: begin where a file says, or say what does not fit."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from app.core.runs import RunFolder
from tests.test_cli_cnn import SMALL, file, said

__all__ = ["file", "said"]


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_a_cnn_begins_with_the_weights_of_another_run(said, file, tmp_path, kind):
    code, _, _ = said("train", "cnn", file, "--out", tmp_path / "first", *SMALL, "--json")
    assert code == 0
    weights = tmp_path / f"w.{kind}"
    assert said("export", tmp_path / "first", "--what", "weights", "--out", weights)[0] == 0
    code, out, _ = said(
        "train", "cnn", file, "--out", tmp_path / "second", *SMALL, "--weights", weights,
        "--seed", 7, "--json",
    )  # fmt: skip
    assert code == 0
    first, second = (RunFolder.open(tmp_path / name) for name in ("first", "second"))
    info = second.info.weights
    assert info.path == str(weights)
    assert info.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    _, best, _ = first.read_weights(best=True)
    _, keyframe = second.keyframes()[0]
    for name, array in second.read_keyframe(keyframe).items():
        np.testing.assert_array_equal(array, best[name])
    assert json.loads(out)["loss"] < 1.0
    assert first.info.weights is None


def test_an_autoencoder_begins_with_the_weights_of_another_run(said, tmp_path):
    small = ("--set", "hidden_units=4", "--epochs", "1")
    patches = tmp_path / "p.npy"
    np.save(patches, np.random.default_rng(0).integers(0, 256, (60, 3, 4, 4)).astype(np.uint8))
    assert said("train", "autoencoder", patches, "--out", tmp_path / "first", *small)[0] == 0
    weights = tmp_path / "w.npz"
    assert said("export", tmp_path / "first", "--what", "weights", "--out", weights)[0] == 0
    again = ("train", "autoencoder", patches, "--out", tmp_path / "second", "--weights", weights)
    assert said(*again, *small)[0] == 0
    with np.load(weights) as before:
        run = RunFolder.open(tmp_path / "second")
        after = run.read_keyframe(run.keyframes()[0][1])
        np.testing.assert_array_equal(after["W1"], before["W1"])
    code, _, err = said(*again, "--force", "--set", "hidden_units=5")
    assert code == 2
    assert "w.npz does not fit this network: W1 is (16, 4) where (16, 5) is needed" in err


def test_a_file_that_is_none_is_refused_before_a_run_is_made(said, file, tmp_path):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"no weights")
    code, _, err = said("train", "cnn", file, "--out", tmp_path / "run", "--weights", bad)
    assert code == 2
    assert "bad.safetensors is not opened: it is no safetensors, state_dict or .npz file." in err
    code, _, err = said("train", "cnn", file, "--out", tmp_path / "run", "--weights", "nowhere.pt")
    assert code == 2
    assert "There is no file nowhere.pt." in err
    assert not (tmp_path / "run").exists()
