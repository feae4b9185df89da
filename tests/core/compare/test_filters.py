"""Filters of two recorded runs are compared at a moment that both have."""

from __future__ import annotations

import numpy as np
import pytest

from app.cli import main
from app.core.compare.filters import FiltersOverTime, compare_at, look
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.errors import Cancelled, UsageError
from app.core.memory import to_safetensors
from app.core.runs import RunFolder
from app.core.specs import AutoencoderSpec, PreprocessSpec
from tests.core.learners_of_images import images as labelled
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=7, batch_size=32, epochs=5)


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "patches.npy", images())


def keyframe(run: RunFolder, step: int, weights) -> None:
    path = run.path / "keyframes" / f"{step:09d}.safetensors"
    path.write_bytes(to_safetensors(weights, {"step": str(step)}))


@pytest.fixture
def permuted(tmp_path, file):
    """Return a run, and another whose last weights are those of the first in another order."""
    first = record(tmp_path / "runs", file, SPEC)
    second = record(tmp_path / "runs", file, SPEC.changed(seed=1))
    step, weights, _ = first.read_weights()
    order = np.random.default_rng(0).permutation(SPEC.hidden_units)
    turned = {
        "W1": np.ascontiguousarray(-weights["W1"][:, order]),
        "b1": weights["b1"][order],
        "W2": np.ascontiguousarray(weights["W2"][order]),
        "b2": weights["b2"],
    }
    keyframe(second, step, turned)
    return first, second, order


def test_the_same_filters_in_another_order_are_found(permuted):
    first, second, order = permuted
    found = compare_at(FiltersOverTime(first), FiltersOverTime(second))
    assert found.matching.stability == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(order[found.matching.second], found.matching.first)
    np.testing.assert_allclose(found.matching.correlation, -1, atol=1e-6)
    told = found.as_json()
    assert told["stability"] == found.matching.stability
    assert told["share_alike"] == 1
    assert len(told["pairs"]) == SPEC.hidden_units
    assert told["epochs"] == [5.0, 5.0]


def test_at_the_start_of_another_seed_it_is_chance(permuted):
    first, second, _ = permuted
    found = compare_at(FiltersOverTime(first), FiltersOverTime(second), 0.0)
    assert found.first.step == found.second.step == 0
    assert found.matching.stability < 0.5


def test_the_nearest_keyframe_is_taken_and_a_damaged_one_is_not(permuted):
    first, _, _ = permuted
    _, weights, _ = first.read_weights()
    keyframe(first, 8, {name: 2 * array for name, array in weights.items()})
    over_time = FiltersOverTime(first)
    assert 8 in over_time.steps
    at = over_time.at(1.9)
    assert (at.step, at.epoch) == (8, 2.0)
    np.testing.assert_array_equal(at.tiles.reshape(7, -1).T, 2 * weights["W1"])
    (first.path / "keyframes" / "000000008.safetensors").write_bytes(b"nothing")
    other = FiltersOverTime(first).at(1.9).step
    assert other != 8
    assert other in FiltersOverTime(first).steps
    for _, path in first.keyframes():
        path.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="damaged"):
        FiltersOverTime(first).at(1.0)
    for _, path in first.keyframes():
        path.unlink()
    with pytest.raises(UsageError, match="no weights"):
        FiltersOverTime(first)


def test_whitened_runs_are_compared_as_they_act_on_pixels(tmp_path, file):
    preprocessing = PreprocessSpec(whiten="computed", rescale=False, clip=False)
    spec = SPEC.changed(decoder="linear")
    run = record(tmp_path / "runs", file, spec, preprocessing)
    patches = preprocess(open_patches(file), preprocessing)
    _, weights, _ = run.read_weights()
    tiles = FiltersOverTime(run).at(99).tiles
    expected = patches.fitted.to_pixels(weights["W1"].astype(np.float64))
    np.testing.assert_allclose(tiles.reshape(len(tiles), -1).T, expected, rtol=1e-4, atol=1e-6)


def test_patches_of_another_size_are_refused_in_words(tmp_path, file):
    other = write(tmp_path / "small.npy", images(side=4, channels=1))
    first = record(tmp_path / "runs", file, SPEC.changed(epochs=1))
    second = record(tmp_path / "runs", other, SPEC.changed(epochs=1))
    shape = first.info.source.shape
    grey = first.info.autoencoder[1].grayscale
    sizes = f"{shape[1]} × {shape[2]} {'grey' if grey else 'RGB'} and 4 × 4 grey"
    with pytest.raises(UsageError, match=sizes):
        compare_at(FiltersOverTime(first), FiltersOverTime(second))


def test_of_a_network_with_relus_the_sign_counts(tmp_path):
    drawn = labelled()
    np.savez(tmp_path / "few.npz", images=drawn.x, labels=drawn.y)
    for seed in (0, 1):
        options = [
            *("train", "cnn", str(tmp_path / "few.npz"), "--epochs", "1", "--set", "batch_size=16"),
            *("--set", "layers=conv 4 3x3, relu, pool 2, affine 8, relu"),
            *("--set", "train_count=32", "--set", "validation_count=8", "--seed", str(seed)),
            *("--out", str(tmp_path / str(seed))),
        ]
        assert main(options) == 0
    first, second = (FiltersOverTime(RunFolder.open(tmp_path / str(seed))) for seed in (0, 1))
    assert first.at(9).tiles.shape == (4, *first.run.info.source.shape[:1], 3, 3)
    found = compare_at(first, second).matching
    assert found.sign_matters
    assert compare_at(first, first).matching.stability == pytest.approx(1)


def test_two_runs_are_looked_at_together_and_read_once(permuted):
    first, second, order = permuted
    seen = look([first.path, second.path], {}, None, lambda: False)
    assert (len(seen.shown), seen.problem) == (2, "")
    np.testing.assert_array_equal(seen.epochs, np.unique(seen.runs[0].epochs))
    np.testing.assert_array_equal(order[seen.order(1, paired=True)], seen.order(0, paired=True))
    np.testing.assert_array_equal(seen.order(1, paired=False), np.arange(SPEC.hidden_units))
    known = {run.run.path: run for run in seen.runs}
    again = look([first.path, second.path], known, 0.0, lambda: False)
    assert again.runs == seen.runs
    assert [shown.step for shown in again.shown] == [0, 0]
    with pytest.raises(Cancelled):
        look([first.path], {}, None, lambda: True)


def test_what_cannot_be_read_is_said_beside_what_can(permuted):
    first, second, _ = permuted
    for _, path in second.keyframes():
        path.unlink()
    seen = look([first.path, second.path], {}, None, lambda: False)
    assert len(seen.shown) == 1
    assert seen.pair is None
    assert "no weights" in seen.problem
    assert len(look([], {}, None, lambda: False).epochs) == 0
