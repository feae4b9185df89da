"""A run that is trained again has the same bits; a planted difference is found where it is."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy

from app.core.errors import Cancelled, UsageError
from app.core.runs import RunFolder
from app.core.runs.log import line, pack
from app.core.specs import AutoencoderSpec
from app.core.takeaway.rerun import compare_runs, rerun
from tests.core.learners_of_images import spec as convnet_spec
from tests.core.takeaway.cnn_runs import record_convnet
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=9, batch_size=16, epochs=4, solver="adam", held_out=10)


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "p.h5", images())


@pytest.mark.parametrize("solver", ["sgd", "nesterov", "adam", "lbfgs"])
def test_an_autoencoder_is_bit_equal(tmp_path, file, solver):
    run = record(tmp_path, file, SPEC.changed(solver=solver))
    told = []
    new, found = rerun(run, root=tmp_path, progress=lambda share, text: told.append(share))
    assert found.same, found.words()
    assert found.words().startswith("Bit-equal: all ")
    assert found.steps == len(run.read_history()[0])
    assert found.keyframes >= 2
    assert new.info.run_id != run.info.run_id
    assert new.info.outcome.reason == run.info.outcome.reason
    assert told[-1] == 1.0


def test_live_values_move_after_the_same_steps_and_it_ends_where_the_run_ended(tmp_path, file):
    live = [SPEC.changed(rho=0.1), SPEC.changed(rho=0.1, learning_rate=0.02)]
    run = record(tmp_path, file, SPEC, live=live, stop_after=13)
    new, found = rerun(run, root=tmp_path, threads=2)
    assert found.same, found.words()
    moves = [[(step, c.name, c.new) for step, c in r.read_history()[0].changes] for r in (run, new)]
    assert moves[0] == moves[1]
    assert len(moves[0]) >= 2
    assert new.info.outcome.step == run.info.outcome.step < 28


def test_a_network_with_dropout_and_batchnorm_is_bit_equal(tmp_path):
    settings = convnet_spec(
        layers="conv 4 3x3, batchnorm, relu, pool 2, dropout, affine 8, relu", dropout=0.3
    )
    run = record_convnet(tmp_path, settings)
    _, found = rerun(run, root=tmp_path)
    assert found.same, found.words()


def test_another_engine_says_how_far_it_is(tmp_path, file):
    run = record(tmp_path, file, SPEC)
    new, found = rerun(run, root=tmp_path, engine="reference")
    assert new.info.spec.engine == "reference"
    assert not found.same
    assert found.step is not None
    # Rounding of float32, and what it grows to in a few steps.
    assert 0 < found.largest < 1e-3
    assert "They first differ at step" in found.words()


def test_a_planted_difference_is_found_where_it_is(tmp_path, file):
    run = record(tmp_path, file, SPEC)
    new, _ = rerun(run, root=tmp_path)
    log = new.path / "history.jsonl"
    at = 9
    terms = new.read_history()[0].terms.copy()
    terms[at - 1, 2] = np.nextafter(terms[at - 1, 2], np.inf)
    log.write_bytes(line({"type": "steps", "first": 1, "terms": pack(terms)}))
    found = compare_runs(run, RunFolder.open(new.path))
    assert not found.same
    assert (found.step.step, found.step.term) == (at, "sparsity")
    assert found.step.second == np.nextafter(found.step.first, np.inf)
    assert found.array is None
    step, path = new.keyframes()[-1]
    arrays = safetensors.numpy.load(path.read_bytes())
    arrays["W2"][3, 4] += np.float32(0.25)
    path.write_bytes(safetensors.numpy.save(arrays))
    found = compare_runs(run, RunFolder.open(new.path))
    assert (found.array.step, found.array.name) == (step, "W2")
    assert found.array.most == pytest.approx(0.25, rel=1e-6)
    assert found.as_json()["first_array"]["name"] == "W2"


def test_fewer_steps_are_not_the_same(tmp_path, file):
    run = record(tmp_path, file, SPEC)
    other = record(tmp_path, file, SPEC, stop_after=5)
    found = compare_runs(run, other)
    assert not found.same
    assert f"The one has {found.lengths[0]} steps, the other {found.lengths[1]}." in found.words()


def test_what_cannot_be_made_again_is_one_sentence(tmp_path, file):
    run = record(tmp_path, file, SPEC)
    values = run.info.model_dump()
    values["began"] = 3
    with pytest.raises(UsageError, match="did not begin with weights of its seed"):
        rerun(RunFolder(run.path, type(run.info).build(values)), root=tmp_path)
    write(file, images(seed=3))
    with pytest.raises(UsageError, match="not what it was"):
        rerun(run, root=tmp_path)
    asked = iter([False] * 2 + [True] * 999)
    write(file, images())
    with pytest.raises(Cancelled):
        rerun(run, root=tmp_path, cancel=lambda: next(asked))
