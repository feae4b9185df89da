"""Which moments of a training show how its filters formed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from app.core.memory import to_safetensors
from app.core.specs import AutoencoderSpec
from app.core.takeaway.moments import MOST_READ, telling_moments
from tests.core.trained import images, record, write

UNITS = 6
SHOWN = 5


@pytest.fixture
def run(tmp_path):
    file = write(tmp_path / "p.npy", images())
    return record(tmp_path / "runs", file, AutoencoderSpec(hidden_units=UNITS, epochs=1))


def keep(run, shares):
    """Keep keyframes whose first layers are so far on the way from one to another at each step."""
    for _, path in run.keyframes():
        path.unlink()
    shapes = run.shapes()
    rng = np.random.default_rng(0)
    first, last = (rng.standard_normal(shapes["W1"]) for _ in range(2))
    for step, share in shares.items():
        arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        arrays["W1"] = ((1 - share) * first + share * last).astype(np.float32)
        path = run.path / "keyframes" / f"{step:09d}.safetensors"
        path.write_bytes(to_safetensors(arrays, {"step": str(step)}))
    return first, last


def test_moments_are_where_the_filters_change(run):
    # All happens from step 100 to step 200, of a hundred thousand.
    shares = {step: float(np.clip((step - 100) / 100, 0, 1)) for step in range(0, 300, 2)}
    shares[100_000] = 1.0
    _, last = keep(run, shares)
    found = telling_moments(run, SHOWN)
    steps = [moment.step for moment in found]
    assert len(found) == SHOWN
    assert (steps[0], steps[-1]) == (0, 100_000)
    assert all(100 < step <= 200 for step in steps[1:-1])
    # About equally far from each to the next, as far as the keyframes that are read allow.
    ways = np.diff([moment.likeness for moment in found])
    assert ways.max() < 2 / (SHOWN - 1) * ways.sum()
    for moment in found:
        columns = run.read_keyframe(moment.path)["W1"]
        each = [np.corrcoef(a, b)[0, 1] for a, b in zip(columns.T, last.T, strict=True)]
        assert moment.likeness == pytest.approx(np.mean(each), abs=1e-6)


def test_of_many_keyframes_some_are_read_most_of_them_early(run, monkeypatch):
    keep(run, {step: step / 999 for step in range(1000)})
    read, read_keyframe = [], type(run).read_keyframe

    def reading(self, path):
        read.append(int(path.stem))
        return read_keyframe(self, path)

    monkeypatch.setattr(type(run), "read_keyframe", reading)
    telling_moments(run, SHOWN)
    assert len(read) == len(set(read)) <= MOST_READ
    assert {0, 999} <= set(read)
    gaps = [b - a for a, b in itertools.pairwise(sorted(read))]
    assert max(gaps[:5]) == 1 < min(gaps[-5:])


def test_what_cannot_be_read_is_not_there(run):
    keep(run, {0: 0.0, 1: 0.3, 2: 0.6, 3: 1.0})
    (run.path / "keyframes" / "000000003.safetensors").write_bytes(b"nothing")
    assert [moment.step for moment in telling_moments(run, SHOWN)] == [0, 1, 2]
    (run.path / "keyframes" / "000000001.safetensors").unlink()
    assert telling_moments(run, SHOWN) == []


def test_filters_that_stay_as_they_are_have_a_beginning_and_an_end(run):
    keep(run, dict.fromkeys(range(10), 1.0))
    assert [moment.step for moment in telling_moments(run, SHOWN)] == [0, 9]
