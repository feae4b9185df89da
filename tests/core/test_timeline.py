"""A run at any of its moments, as it was when the moment was new."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.errors import UsageError
from app.core.events import Change, Snapshot, Steps
from app.core.history import History
from app.core.learners import AutoencoderLearner
from app.core.runs import ParentInfo, Recorder, RunFolder, recorder
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.timeline import UNITS, Part, Ruler, Timeline, parts_of, read_history, settings_at
from app.core.training import train

from .trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=5, batch_size=30, epochs=6)


@pytest.fixture(autouse=True)
def dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a keyframe of every step: these trainings last no second."""
    monkeypatch.setattr(recorder, "KEYFRAME_SECONDS", 0.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "patches.npy", images())


def watched(root: Path, file: Path, spec: AutoencoderSpec) -> tuple[RunFolder, dict[int, Snapshot]]:
    """Train, one step at a time, keep the run and all the snapshots that were live."""
    patches = preprocess(open_patches(file), PreprocessSpec())
    run_id = uuid.uuid4().hex
    run = RunFolder.create(
        root, kind="autoencoder", run_id=run_id, spec=spec, preprocess=patches.fitted.spec,
        source=patches.source, threads=1,
    )  # fmt: skip
    keeper, live = Recorder(run), {}
    for event in train(
        AutoencoderLearner(patches.x, spec, threads=1), spec, Control(), examples=len(patches.x),
        order=EpochOrder(len(patches.x), spec.seed), run_id=run_id, snapshot_seconds=0.0,
    ):  # fmt: skip
        keeper.take(event)
        if isinstance(event, Snapshot):
            live[event.step] = event
    keeper.close()
    return RunFolder.open(run.path), live


@pytest.mark.parametrize(
    ("unit", "per_epoch", "seconds", "decimals"),
    [
        ("step", 80, 1.0, 0),
        ("epoch", 1, 1.0, 0),
        ("epoch", 10, 1.0, 1),
        ("epoch", 80, 1.0, 2),
        ("second", 80, 0.5, 2),
        ("second", 80, 600.0, 1),
    ],
)
def test_a_unit_has_the_decimals_that_tell_its_steps_apart(
    unit, per_epoch, seconds, decimals
) -> None:
    history = History(("cost",))
    history.take(Steps("run", 1, np.ones((4, 1)), 1, seconds))
    assert Ruler(history, per_epoch).decimals(unit, 4) == decimals


def test_a_moment_is_the_snapshot_that_was_live(tmp_path: Path, file: Path) -> None:
    run, live = watched(tmp_path / "runs", file, SPEC)
    line = Timeline(parts_of(run))
    assert line.look()
    assert not line.look()
    assert len(line.steps) >= 2
    assert line.steps[0] == 0
    assert line.steps[-1] == max(live)
    for step in line.steps:
        then, note = line.snapshot(step)
        assert note == ""
        assert (then.step, then.epoch, then.run_id) == (step, live[step].epoch, run.info.run_id)
        assert then.weights.keys() == live[step].weights.keys()
        for name, array in then.weights.items():
            np.testing.assert_array_equal(array, live[step].weights[name])
            assert not array.flags.writeable
        assert line.is_whole(then)


def test_between_two_keyframes_the_earlier_one_is_seen(tmp_path: Path, file: Path) -> None:
    line = Timeline(parts_of(record(tmp_path, file, SPEC)))
    line.look()
    last = line.steps[-1]
    assert line.snapshot(last + 100)[0].step == last
    assert line.snapshot(last - 1)[0].step == line.steps[-2]
    assert [line.place(step) for step in (0, last - 1, last, last + 1)] == [
        0,
        len(line.steps) - 2,
        len(line.steps) - 1,
        len(line.steps) - 1,
    ]


def test_what_was_read_is_kept_within_its_bounds(tmp_path: Path, file: Path) -> None:
    run, _ = watched(tmp_path, file, SPEC)
    size = sum(array.nbytes for array in run.read_weights()[1].values())
    line = Timeline(parts_of(run), cache_bytes=2 * size)
    line.look()
    first = line.snapshot(0)[0].weights["W1"]
    assert line.snapshot(0)[0].weights["W1"] is first
    for step in line.steps:
        line.snapshot(step)
        assert line.cached <= 2 * size
    assert line.snapshot(0)[0].weights["W1"] is not first


def test_a_damaged_keyframe_is_told_and_the_one_before_is_seen(tmp_path: Path, file: Path) -> None:
    run, _ = watched(tmp_path, file, SPEC)
    line = Timeline(parts_of(run))
    line.look()
    run.keyframes()[-1][1].write_bytes(b"nothing")
    then, note = line.snapshot(line.steps[-1])
    assert then.step == line.steps[-2]
    assert f"Keyframe {line.steps[-1]}" in note
    for _, path in run.keyframes():
        path.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="no keyframe that can be read"):
        Timeline(parts_of(run)).snapshot(3)


def test_a_keyframe_that_was_let_go_meanwhile_is_no_damage(tmp_path: Path, file: Path) -> None:
    run, _ = watched(tmp_path, file, SPEC)
    line = Timeline(parts_of(run))
    line.look()
    run.keyframes()[2][1].unlink()
    then, note = line.snapshot(line.steps[2])
    assert (then.step, note) == (line.steps[1], "")
    assert line.look()


def test_a_run_without_keyframes_has_no_moments(tmp_path: Path, file: Path) -> None:
    run = record(tmp_path, file, SPEC)
    for _, path in run.keyframes():
        path.unlink()
    line = Timeline(parts_of(run))
    assert not line.look()
    with pytest.raises(UsageError, match="no keyframes"):
        line.place(0)


def test_the_moments_of_the_parent_come_first(tmp_path: Path, file: Path) -> None:
    parent, _ = watched(tmp_path, file, SPEC)
    child, _ = watched(tmp_path / "other", file, SPEC.changed(rho=0.3))
    path = child.path.rename(tmp_path / "child")
    left = 7
    for step, frame in RunFolder.open(path).keyframes():
        if step < left:
            frame.unlink()
    info = RunFolder.open(path).info.changed(
        parent=ParentInfo(
            run_id=parent.info.run_id, name=parent.path.name, step=left, epoch=left / 4
        ).model_dump()
    )
    RunFolder(path, info).write_info(info)
    child = RunFolder.open(path)
    parts = parts_of(child)
    assert [part.run.path for part in parts] == [parent.path, path]
    line = Timeline(parts)
    line.look()
    first_own = child.keyframes()[0][0]
    wanted = [s for s, _ in parent.keyframes() if s <= left and s < first_own]
    assert list(line.steps) == [*wanted, *(step for step, _ in child.keyframes())]
    for step in line.steps:
        own = parent if step < first_own else child
        expected = own.read_keyframe(dict(own.keyframes())[step])
        np.testing.assert_array_equal(line.snapshot(step)[0].weights["W1"], expected["W1"])
    # Steps of another size are other steps.
    other = info.changed(steps_per_epoch=9)
    child.write_info(other)
    assert [part.run.path for part in parts_of(RunFolder.open(path))] == [path]


def test_the_history_of_parts_is_one_history(tmp_path: Path, file: Path) -> None:
    parent, child = (record(tmp_path / name, file, SPEC) for name in "pc")
    before, after = parent.read_history()[0], child.read_history()[0]
    whole, notes = read_history([Part(parent, 7), Part(child)])
    assert notes == []
    # The child says that it began at the beginning: its steps count.
    np.testing.assert_array_equal(whole.terms, after.terms)
    late = History(after.term_names)
    late.append(8, after.terms[7:], None, 3.0)
    joined = before.until(7)
    joined.extend(late)
    np.testing.assert_array_equal(joined.steps, after.steps)
    np.testing.assert_array_equal(joined.terms[:7], before.terms[:7])
    assert joined.seconds[-1] == pytest.approx(before.seconds[6] + 3.0)
    assert len(before.until(0)) == 0


def test_steps_are_said_in_epochs_and_in_seconds(tmp_path: Path) -> None:
    history = History(("a",))
    assert Ruler(history, 4).units == ("epoch", "step")
    history.append(1, np.ones((4, 1)), None, 2.0)
    history.append(5, np.ones((4, 1)), None, 8.0)
    ruler = Ruler(history, 4)
    assert ruler.units == ("epoch", "step", "second")
    for step in range(9):
        assert ruler.measure(step, "epoch") == step / 4
        for unit in ruler.units:
            assert ruler.step_at(ruler.measure(step, unit), unit) == step
    assert ruler.measure(6, "second") == 6.0
    assert ruler.step_at(6.5, "second") == 6
    assert ruler.step_at(1.99, "epoch") == 7
    assert ruler.step_at(1e9, "second") == 8
    for unit in UNITS:
        assert ruler.step_at(1e308, unit) >= 8
        assert ruler.step_at(-1e308, unit) <= 0


def test_settings_are_those_that_were_in_force() -> None:
    history = History(("a",))
    history.changes = [
        (3, Change("rho", 0.05, 0.1)),
        (8, Change("rho", 0.1, 0.2)),
        (8, Change("beta", 0.5, 1.0)),
        (9, Change("no such setting", 1.0, 2.0)),
    ]
    last = AutoencoderSpec(rho=0.2, beta=1.0)
    found = [settings_at(last, history, step) for step in (0, 2, 3, 7, 8, 100)]
    assert [spec.rho for spec in found] == [0.05, 0.05, 0.1, 0.1, 0.2, 0.2]  # type: ignore[attr-defined]
    assert [spec.beta for spec in found] == [0.5, 0.5, 0.5, 0.5, 1.0, 1.0]  # type: ignore[attr-defined]
