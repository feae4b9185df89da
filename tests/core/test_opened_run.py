"""A run from the disk as it was left, ready to be trained on where that can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.core.data.image_preprocess import fit_images
from app.core.data.image_reader import open_images
from app.core.data.patches import Patches
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.errors import UsageError
from app.core.opened_run import open_run
from app.core.runs import RunFolder
from app.core.runs.checkpoint import checkpoint_files
from app.core.specs import AutoencoderSpec, ConvNetSpec, PreprocessSpec

from .test_branch import CNN, kept_cnn
from .trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=5, batch_size=30, epochs=4)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "patches.npy", images())


@pytest.fixture
def data(file: Path) -> Patches:
    return preprocess(open_patches(file), PreprocessSpec())


def test_a_done_run_is_as_it_was_left(tmp_path: Path, file: Path, data: Patches) -> None:
    run = record(tmp_path / "runs", file, SPEC, live=[SPEC.changed(rho=0.2)])
    found = open_run(run.path, data)
    history, _ = run.read_history()
    np.testing.assert_array_equal(found.history.terms, history.terms)
    assert found.history.changes == history.changes
    assert found.spec.rho == 0.2
    assert found.snapshot.step == 16
    for name, array in run.read_weights()[1].items():
        np.testing.assert_array_equal(found.snapshot.weights[name], array)
    assert found.ending is not None
    assert found.ending.reason == "done"
    np.testing.assert_array_equal(found.ending.terms, run.info.outcome.terms)
    assert found.notes == []
    assert found.progress.step == 16
    np.testing.assert_array_equal(found.learner.snapshot()[0]["W1"], found.snapshot.weights["W1"])


def test_without_a_checkpoint_of_its_end_it_is_seen_all_the_same(
    tmp_path: Path, file: Path, data: Patches
) -> None:
    run = record(tmp_path / "runs", file, SPEC)
    for path in checkpoint_files(run.path):
        path.unlink()
    found = open_run(run.path, data)
    assert found.learner is None
    assert any("Train begins anew" in note for note in found.notes)
    assert found.snapshot.step == 16


def test_a_run_in_training_is_seen_and_not_trained_on(
    tmp_path: Path, file: Path, data: Patches
) -> None:
    run = record(tmp_path / "runs", file, SPEC)
    run.write_info(run.info.changed(outcome=None, ended=None))
    assert RunFolder.open(run.path).info.state == "running"
    found = open_run(run.path, data)
    assert (found.learner, found.ending) == (None, None)


def test_other_data_is_refused(tmp_path: Path, file: Path, data: Patches) -> None:
    run = record(tmp_path / "runs", file, SPEC)
    other = write(tmp_path / "other.npy", images(seed=5))
    with pytest.raises(UsageError, match="not what it was"):
        open_run(run.path, preprocess(open_patches(other), PreprocessSpec()))
    with pytest.raises(UsageError, match="not what it was"):
        open_run(run.path, preprocess(open_patches(file), PreprocessSpec(clip=False)))


def test_a_network_of_layers_is_opened_too(tmp_path: Path) -> None:
    run = kept_cnn(tmp_path / "runs", CNN, tmp_path / "few.npz")
    spec = run.info.convnet[1]
    data = fit_images(open_images(str(tmp_path / "few.npz")), spec)
    found = open_run(run.path, data)
    assert isinstance(found.spec, ConvNetSpec)
    assert found.progress.step == found.snapshot.step == 15
    assert len(found.history.evaluations) == 3
    weights = found.learner.snapshot()[0]
    for name, array in found.snapshot.weights.items():
        np.testing.assert_array_equal(weights[name], array)
    assert found.learner.best is not None
