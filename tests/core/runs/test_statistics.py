"""What is measured of units is kept with its step, and read back as it was."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import fit_images
from app.core.errors import UsageError
from app.core.events import Evaluated, Snapshot
from app.core.learners import ConvNetLearner
from app.core.nn.reading import NetworkReader
from app.core.runs import Recorder, RunFolder
from app.core.runs.log import line
from app.core.runs.statistics import parse_units, record_of, spacing
from app.core.specs import ConvNetSpec, ImageSpec
from app.core.training import train
from tests.core.learners_of_images import images
from tests.core.test_runs import events_of, folder, record, slow_clock, spec


def test_of_an_autoencoder_activations_and_norms_of_each_unit(tmp_path):
    settings_ = spec()
    run, events = record(
        tmp_path, settings_, events_of(settings_, snapshot_seconds=0.0, clock=slow_clock())
    )
    shots = {event.step: event for event in events if isinstance(event, Snapshot)}
    found, note = RunFolder.open(run.path).read_statistics()
    steps, values = found["rho_hat"].steps, found["rho_hat"].values
    assert steps.tolist() == sorted(shots) == list(range(25))
    assert values.shape == (25, 5)
    assert values.dtype == np.float32
    for step, row in zip(steps, values, strict=True):
        np.testing.assert_array_equal(row, shots[step].statistics["rho_hat"])
    norms = found["weight_norm"].values
    expected = np.linalg.norm(shots[24].weights["W1"].astype(np.float64), axis=0)
    np.testing.assert_allclose(norms[-1], expected, rtol=1e-6)
    assert note == ""
    assert set(found) == {"rho_hat", "weight_norm"}
    assert found["rho_hat"].labels == ()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    data = fit_images(images(), ImageSpec(train_count=60, validation_count=20))
    settings_ = ConvNetSpec(
        layers="conv 3 3x3, relu, pool 2, affine 6, relu", batch_size=20, epochs=3,
        weight_scale=0.05, learning_rate=1e-3,
    )  # fmt: skip
    learner = ConvNetLearner(data, settings_, threads=1)
    run = RunFolder.create(
        tmp_path_factory.mktemp("runs"), kind="cnn", run_id="abc", spec=settings_,
        preprocess=data.spec, source=data.images.source, threads=1, classes=data.classes,
    )  # fmt: skip
    recorder, seen = Recorder(run), []
    for event in train(
        learner, settings_, Control(), examples=60, order=EpochOrder(60, 0), run_id="abc",
        snapshot_seconds=0.0,
    ):  # fmt: skip
        recorder.take(event)
        seen.append(event)
    recorder.close()
    return run, seen, data, settings_, learner


def test_of_a_network_the_size_of_weights_and_slopes(network):
    run, events, _, _, _ = network
    last = [event for event in events if isinstance(event, Snapshot)][-1]
    found, note = run.read_statistics()
    assert note == ""
    weights = found["weight_rms"]
    assert weights.labels == tuple(last.weights)
    expected = [np.sqrt(np.mean(np.square(array, dtype=float))) for array in last.weights.values()]
    np.testing.assert_allclose(weights.values[-1], expected, rtol=1e-5)
    slopes = found["gradient_rms"]
    assert slopes.values.shape[1] == len(slopes.labels) > 0
    assert set(slopes.labels) <= set(last.weights)


def test_of_a_network_how_each_layer_answers(network):
    """At evaluations, and as the window's reading finds it on the same images."""
    run, events, data, settings_, learner = network
    told = [event for event in events if isinstance(event, Evaluated)]
    found, _ = run.read_statistics()
    assert found["layer_mean"].steps.tolist() == [event.step for event in told] == [3, 6, 9]
    rows = learner._sample[:50]
    reader = NetworkReader(data, settings_)
    reader._behaviour = rows
    reader.load([event for event in events if isinstance(event, Snapshot)][-1].weights)
    expected = reader.behaviour()
    assert found["layer_mean"].labels == tuple(one.layer.row.text for one in expected)
    for name, values in (
        ("layer_mean", [one.mean for one in expected]),
        ("layer_deviation", [one.deviation for one in expected]),
        ("layer_dead", [one.dead for one in expected]),
    ):
        np.testing.assert_allclose(found[name].values[-1], values, rtol=1e-4, atol=1e-6)


def test_they_are_dense_early_and_fit_a_share_of_the_budget():
    size, budget, step, steps = 750, 64 << 20, 0, []
    while step < 10**7:
        steps.append(step)
        step += spacing(step, size, budget)
    assert steps[:100] == list(range(100))
    assert size * len(steps) < 1.3 * budget / 16
    # Many more units, or a small budget: fewer moments, to the end all the same.
    few = [spacing(10**6, size, 1 << 20), spacing(10**6, 100 * size, budget)]
    assert all(gap > 10 * spacing(10**6, size, budget) for gap in few)


def values(step, **named):
    return line(record_of(step, {k: np.array(v, np.float32) for k, v in named.items()}, {}))


def test_what_makes_no_sense_is_left_out_and_the_rest_read():
    data = (
        values(1, a=[1, 2])
        + values(3, a=[1, 2, 3], b=[5])
        + values(0, a=[3, 4])
        + values(5, a=[3, 4])
        + line({"type": "units", "step": "x", "values": {"a": ""}})
        + line({"type": "units", "step": 6, "values": {"a": "?", "b": 7, "c": ""}})
        + line({"type": "units", "step": 7, "values": [1]})
        + line({"type": "units", "step": 8, "values": {}, "labels": {"a": ["x"], "b": [1]}})
        + line({"type": "units", "step": True, "values": {"a": ""}})
    )
    found, note = parse_units(data + b"0000")
    assert "cut off" in note
    assert found["a"].steps.tolist() == [1, 5]
    assert found["a"].values.tolist() == [[1, 2], [3, 4]]
    assert found["a"].labels == ()
    assert found["b"].values.tolist() == [[5]]
    assert set(found) == {"a", "b"}
    assert "still being written" in parse_units(data + b"0000", live=True)[1]
    assert "damaged" in parse_units(b"0" + data)[1]


def test_numbers_that_are_none_are_not_kept(tmp_path):
    record_ = record_of(1, {"a": np.array([1, np.nan], np.float32)}, {"a": ("x", "y")})
    assert record_ == {"type": "units", "step": 1, "values": {}}
    with pytest.raises(UsageError, match="no statistics"):
        folder(tmp_path).read_statistics()
