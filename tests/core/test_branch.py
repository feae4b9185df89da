"""A run goes on from a moment of another, which stays as it is to the last bit."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import numpy as np
import pytest

from app.core import training
from app.core.branch import FIXED, branch_settings, prepare_branch
from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import fit_images
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.errors import UsageError
from app.core.events import Steps
from app.core.learners import AutoencoderLearner, make_autoencoder_learner, make_convnet_learner
from app.core.resume import prepare
from app.core.run_table import read_row
from app.core.run_tree import tree_of
from app.core.runs import Recorder, RunFolder, recorder
from app.core.runs.checkpoint import checkpoint_files
from app.core.specs import AutoencoderSpec, ConvNetSpec, ImageSpec, PreprocessSpec
from app.core.timeline import Timeline, parts_of
from app.core.training import train

from .small_images import small_images
from .trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=5, batch_size=30, epochs=5)
CNN = ConvNetSpec.build(
    {
        "layers": "conv 4 3x3, batchnorm, relu, pool 2, affine 6, relu",
        "epochs": 3,
        "batch_size": 9,
        "dropout": 0.2,
        "initialisation": "he",
    }
)


@pytest.fixture(autouse=True)
def dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a keyframe of every step: these trainings last no second."""
    monkeypatch.setattr(recorder, "KEYFRAME_SECONDS", 0.0)
    monkeypatch.setattr(training, "CALL_SECONDS", 0.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "patches.npy", images())


def kept(root: Path, file: Path, spec: AutoencoderSpec, stop_after: int | None = None) -> RunFolder:
    """Train, one step a call, with a keyframe of each; stop with a checkpoint after some steps."""
    patches = preprocess(open_patches(file), PreprocessSpec())
    run_id = uuid.uuid4().hex
    run = RunFolder.create(
        root, kind="autoencoder", run_id=run_id, spec=spec, preprocess=patches.fitted.spec,
        source=patches.source, threads=1,
    )  # fmt: skip
    keeper, control = Recorder(run), Control()
    for event in train(
        make_autoencoder_learner(patches.x, spec, threads=1), spec, control, examples=len(patches.x),
        order=EpochOrder(len(patches.x), spec.seed), run_id=run_id, snapshot_seconds=0.0,
    ):  # fmt: skip
        keeper.take(event)
        if isinstance(event, Steps) and stop_after is not None and event.last_step >= stop_after:
            control.stop()
    keeper.close()
    return RunFolder.open(run.path)


def go(branch) -> RunFolder:
    """Train a branch to its end, and return it as it is on the disk."""
    keeper = branch.recorder()
    for event in branch.events(Control()):
        keeper.take(event)
    keeper.close()
    return RunFolder.open(branch.run.path)


def first_move(branch) -> float:
    """Return how far the first step of a branch moves a weight at most."""
    before = branch.learner.state()["theta"]
    rows = branch.order.epoch(branch.progress.epoch)
    branch.learner.steps(rows, branch.spec, np.zeros(1, np.int32), 1)
    return float(np.abs(branch.learner.state()["theta"] - before).max())


def digest(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize("solver", ["sgd", "momentum", "adam", "lbfgs"])
def test_without_a_change_the_child_of_a_checkpoint_is_the_run_itself(
    tmp_path: Path, file: Path, solver: str
) -> None:
    spec = SPEC.changed(solver=solver)
    whole = kept(tmp_path / "whole", file, spec)
    stopped = kept(tmp_path / "part", file, spec, stop_after=3)
    before = digest(stopped.path)
    branch = prepare_branch(stopped.path, 1 << 40, threads=1)
    assert branch.exact
    child = go(branch)
    assert digest(stopped.path) == before
    at = branch.progress.step
    history, expected = child.read_history()[0], whole.read_history()[0]
    np.testing.assert_array_equal(history.steps, expected.steps[at:])
    np.testing.assert_array_equal(history.terms, expected.terms[at:])
    for name, array in child.read_weights()[1].items():
        np.testing.assert_array_equal(array, whole.read_weights()[1][name])
    assert child.info.parent.run_id == stopped.info.run_id
    assert child.info.parent.changes == ()


@pytest.mark.parametrize("step", [0, 2, 7])
def test_a_child_begins_with_the_weights_of_the_moment(
    tmp_path: Path, file: Path, step: int
) -> None:
    parent = kept(tmp_path / "runs", file, SPEC)
    before = digest(parent.path)
    branch = prepare_branch(parent.path, step, {"rho": 0.3}, threads=1)
    there = step in [int(path.stem) for path in checkpoint_files(parent.path)]
    assert branch.exact == there
    assert any("begins to remember anew" in note for note in branch.notes) != there
    child = go(branch)
    assert digest(parent.path) == before
    frames = dict(parent.keyframes())
    at = max(one for one in frames if one <= step)
    began = child.keyframes()[0]
    assert began[0] == branch.step == at
    for name, array in child.read_keyframe(began[1]).items():
        np.testing.assert_array_equal(array, parent.read_keyframe(frames[at])[name])
    assert child.info.parent.changes == (("rho", 0.05, 0.3),)
    assert child.info.parent.epoch == at / 4
    assert child.info.spec.rho == 0.3
    assert child.info.spec.seed == SPEC.seed
    history = child.read_history()[0]
    assert history.steps[0] == at + 1
    assert history.steps[-1] == 20
    assert child.info.outcome.reason == "done"
    # The first cost that it sees is at the parent's weights, with the new ρ.
    learner = AutoencoderLearner(branch.data.x, SPEC, threads=1)
    weights = parent.read_keyframe(frames[at])
    learner.theta = np.concatenate([weights[name].ravel() for name in ("W1", "b1", "W2", "b2")])
    epoch, into = divmod(at, 4)
    rows = branch.order.epoch(epoch)[into * 30 :]
    terms = learner.steps(rows, branch.spec, np.zeros(1, np.int32), 1).terms
    np.testing.assert_allclose(history.terms[0], terms[0], rtol=1e-12)


def test_adam_that_begins_anew_moves_no_further_than_its_rate(tmp_path: Path, file: Path) -> None:
    parent = kept(tmp_path, file, SPEC)
    assert 0 < first_move(prepare_branch(parent.path, 10, threads=1)) <= SPEC.learning_rate * 1.01


def test_the_values_in_force_at_the_moment_are_the_childs(tmp_path: Path, file: Path) -> None:
    parent = record(tmp_path, file, SPEC, live=[SPEC.changed(rho=0.2), SPEC.changed(rho=0.4)])
    history = parent.read_history()[0]
    (first, _), (second, _) = history.changes
    found = [prepare_branch(parent.path, s, epochs=99).spec.rho for s in (0, 1 << 40)]
    assert found == [0.05 if first > 0 else 0.2, 0.4]
    assert second <= 20


def test_solver_and_batch_may_change_and_epochs_stay_where_they_are(
    tmp_path: Path, file: Path
) -> None:
    parent = kept(tmp_path, file, SPEC)
    branch = prepare_branch(parent.path, 10, {"solver": "sgd", "batch_size": 12}, threads=1)
    # Step 10 of 4 in an epoch is epoch 2.5: with 10 steps in one, step 25.
    assert (branch.step, branch.progress.step) == (10, 25)
    assert (branch.progress.epoch, branch.progress.steps_into_epoch) == (2, 5)
    assert len(branch.history) == 0
    child = go(branch)
    assert child.info.steps_per_epoch == 10
    assert child.read_history()[0].steps[-1] == 50
    assert child.info.outcome.epoch == 5
    assert [part.run.path for part in parts_of(child)] == [child.path]


def test_a_killed_child_can_be_resumed_from_its_very_beginning(tmp_path: Path, file: Path) -> None:
    parent = kept(tmp_path, file, SPEC)
    branch = prepare_branch(parent.path, 6, {"rho": 0.3}, threads=1)
    branch.recorder().close()
    path = branch.run.path
    info = RunFolder.open(path).info.changed(pid=0, pid_started=0.0)
    RunFolder(path, info).write_info(info)
    expected = go(prepare_branch(parent.path, 6, {"rho": 0.3}, threads=1))
    going = prepare(path, threads=1)
    keeper = going.recorder()
    for event in going.events(Control()):
        keeper.take(event)
    keeper.close()
    for name, array in RunFolder.open(path).read_weights()[1].items():
        np.testing.assert_array_equal(array, expected.read_weights()[1][name])
    assert RunFolder.open(path).info.parent is not None


def test_a_grandchild_may_leave_at_a_moment_of_the_grandparent(tmp_path: Path, file: Path) -> None:
    parent = kept(tmp_path, file, SPEC)
    child = go(prepare_branch(parent.path, 10, {"rho": 0.3}, threads=1))
    line = Timeline(parts_of(child))
    line.look()
    assert line.steps[0] == 0
    early = go(prepare_branch(child.path, 4, {"beta": 1.0}, threads=1))
    assert early.info.parent.run_id == parent.info.run_id
    assert early.info.spec.rho == 0.05
    late = go(prepare_branch(child.path, 14, {"beta": 1.0}, threads=1))
    assert late.info.parent.run_id == child.info.run_id
    assert late.info.spec.rho == 0.3
    rows = [read_row(run) for run in (late, early, child, parent)]
    assert [(b.depth, b.row.path) for b in tree_of(rows)] == [
        (0, parent.path),
        (1, early.path),
        (1, child.path),
        (2, late.path),
    ]


@pytest.mark.parametrize(
    ("changes", "epochs", "said"),
    [
        ({"hidden_units": 8}, None, "keeps hidden_units"),
        ({"seed": 3}, None, "keeps seed"),
        ({"rho": 7.0}, None, "out of range"),
        ({"no_such": 7.0}, None, "no setting"),
        ({}, 2, "2.5 epochs are done"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, file: Path, changes: dict[str, object], epochs: int | None, said: str
) -> None:
    parent = kept(tmp_path, file, SPEC)
    with pytest.raises(UsageError, match=said):
        prepare_branch(parent.path, 10, changes, epochs=epochs)
    assert list(tmp_path.glob("2*")) == [parent.path]


def test_a_run_in_training_is_not_branched(tmp_path: Path, file: Path) -> None:
    parent = kept(tmp_path, file, SPEC)
    info = parent.info.changed(outcome=None, ended=None)
    parent.write_info(info)
    with pytest.raises(UsageError, match="being trained right now"):
        prepare_branch(parent.path, 10)


def test_damaged_keyframes_are_passed_over(tmp_path: Path, file: Path) -> None:
    parent = kept(tmp_path, file, SPEC)
    frames = dict(parent.keyframes())
    frames[10].write_bytes(b"nothing")
    branch = prepare_branch(parent.path, 10)
    assert branch.step == 9
    assert any("Keyframe 10" in note for note in branch.notes)
    for path in frames.values():
        path.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="No moment"):
        prepare_branch(parent.path, 10)


def test_every_setting_is_fixed_or_offered() -> None:
    for spec in (AutoencoderSpec, ConvNetSpec):
        offered = {parameter.name for parameter in branch_settings(spec)}
        assert offered | set(FIXED) >= set(spec.model_fields)
        assert {"solver", "batch_size", "epochs", "learning_rate"} <= offered


# --- networks of layers


def kept_cnn(
    root: Path, spec: ConvNetSpec, place: Path, stop_after: int | None = None
) -> RunFolder:
    found = small_images()
    np.savez(place, x=found.x, y=found.y)
    from app.core.data.image_reader import open_images

    data = fit_images(
        open_images(str(place)),
        ImageSpec(train_count=45, validation_count=30, normalisation="per_channel"),
    )
    run_id = uuid.uuid4().hex
    run = RunFolder.create(
        root, kind="cnn", run_id=run_id, spec=spec, preprocess=data.spec,
        source=data.images.source, threads=1, classes=data.classes,
    )  # fmt: skip
    keeper, control = Recorder(run), Control()
    for event in train(
        make_convnet_learner(data, spec, threads=1), spec, control, examples=45,
        order=EpochOrder(45, spec.seed), run_id=run_id, snapshot_seconds=0.0,
    ):  # fmt: skip
        keeper.take(event)
        if isinstance(event, Steps) and stop_after is not None and event.last_step >= stop_after:
            control.stop()
    keeper.close()
    return RunFolder.open(run.path)


@pytest.mark.parametrize("solver", ["momentum", "adam"])
def test_a_network_of_layers_goes_on_from_its_checkpoint_to_the_same_bits(
    tmp_path: Path, solver: str
) -> None:
    spec = CNN.changed(solver=solver)
    whole = kept_cnn(tmp_path / "whole", spec, tmp_path / "few.npz")
    stopped = kept_cnn(tmp_path / "part", spec, tmp_path / "few.npz", stop_after=7)
    before = digest(stopped.path)
    branch = prepare_branch(stopped.path, 1 << 40, threads=1)
    assert branch.exact
    child = go(branch)
    assert digest(stopped.path) == before
    for name, array in child.read_weights()[1].items():
        np.testing.assert_array_equal(array, whole.read_weights()[1][name])
    assert child.info.best is not None


def test_a_network_of_layers_goes_on_from_a_keyframe(tmp_path: Path) -> None:
    parent = kept_cnn(tmp_path / "runs", CNN, tmp_path / "few.npz")
    before = digest(parent.path)
    branch = prepare_branch(
        parent.path, 7, {"dropout": 0.0, "learning_rate": 0.002}, epochs=4, threads=1
    )
    child = go(branch)
    assert digest(parent.path) == before
    frames = child.keyframes()
    for name, array in child.read_keyframe(frames[0][1]).items():
        np.testing.assert_array_equal(
            array, parent.read_keyframe(dict(parent.keyframes())[7])[name]
        )
    names = {name: (old, new) for name, old, new in child.info.parent.changes}
    assert names["dropout"] == (0.2, 0.0)
    assert names["epochs"] == (3, 4)
    assert child.info.outcome.step == 20
    # Adam begins anew: its first step is as long as the learning rate, not several times as long.
    again = prepare_branch(parent.path, 7, {"learning_rate": 0.002}, threads=1)
    assert 0 < first_move(again) <= 0.002 * 1.01


# --- on PyTorch


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["autoencoder", "cnn"])
def test_pytorch_goes_on_from_a_checkpoint_and_from_a_keyframe(
    tmp_path: Path, file: Path, kind: str
) -> None:
    pytest.importorskip("torch")
    if kind == "autoencoder":
        spec = SPEC.changed(engine="torch", device="cpu")
        whole = kept(tmp_path / "whole", file, spec)
        stopped = kept(tmp_path / "part", file, spec, stop_after=7)
    else:
        spec = CNN.changed(engine="torch", device="cpu")
        whole = kept_cnn(tmp_path / "whole", spec, tmp_path / "few.npz")
        stopped = kept_cnn(tmp_path / "part", spec, tmp_path / "few.npz", stop_after=7)
    branch = prepare_branch(stopped.path, 1 << 40, threads=1)
    assert branch.exact
    child = go(branch)
    for name, array in child.read_weights()[1].items():
        np.testing.assert_allclose(array, whole.read_weights()[1][name], atol=1e-5)
    anew = prepare_branch(whole.path, 5, {"learning_rate": 0.002}, threads=1)
    assert not anew.exact
    assert 0 < first_move(anew) <= 0.002 * 1.01
