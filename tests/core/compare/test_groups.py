"""Runs that differ in their seed alone, and the words that tell runs apart."""

from __future__ import annotations

from app.core.compare.groups import (
    changed_settings,
    describe_runs,
    group_runs,
    own_settings,
    seed_groups,
)
from app.core.events import Change
from app.core.history import History
from app.core.runs import ModelInfo, ParentInfo, WeightsInfo
from app.core.specs import AutoencoderSpec, ConvNetSpec, PreprocessSpec
from tests.core.compare.test_curves import SOURCE, history, info

SPEC = AutoencoderSpec()


def moved(*changes: tuple[int, str, float, float]) -> History:
    """Return a training of twelve steps, each a second long, in which values were moved."""
    made = history()
    made.changes.extend((step, Change(name, old, new)) for step, name, old, new in changes)
    return made


def names(*infos):
    return describe_runs(infos, [f"run {n}" for n in range(len(infos))])


def test_seeds_of_the_same_settings_are_together():
    runs = [info(SPEC.changed(rho=rho, seed=seed)) for seed in (0, 1, 2) for rho in (0.2, 0.5)]
    assert seed_groups(runs) == [[0, 2, 4], [1, 3, 5]]
    assert seed_groups([]) == []


def test_other_data_or_another_preparation_is_another_group():
    other = SOURCE.changed(sha256="1" * 64)
    runs = [
        info(SPEC),
        info(SPEC.changed(seed=1), source=other),
        info(SPEC.changed(seed=2), preprocess=PreprocessSpec(clip=False)),
        info(SPEC.changed(seed=3), started="2026-02-02T00:00:00+00:00", threads=3),
    ]
    assert seed_groups(runs) == [[0, 3], [1], [2]]


def test_a_run_is_called_by_what_it_alone_has():
    assert names(info(SPEC.changed(rho=0.2)), info(SPEC.changed(rho=0.5))) == ["ρ 0.2", "ρ 0.5"]
    three = names(
        info(SPEC.changed(rho=0.2, seed=1)),
        info(SPEC.changed(rho=0.2, seed=2)),
        info(SPEC.changed(rho=0.5, solver="sgd")),
    )
    assert three == ["Adam, ρ 0.2, seed 1", "Adam, ρ 0.2, seed 2", "SGD, ρ 0.5, seed 0"]
    assert names(info(SPEC)) == ["run 0"]


def test_what_no_setting_tells_apart_has_its_name():
    alike = info(SPEC.changed(rho=0.2))
    told = names(alike, alike, info(SPEC.changed(rho=0.5)))
    assert told == ["ρ 0.2 · run 0", "ρ 0.2 · run 1", "ρ 0.5"]
    assert names(info(SPEC), info(SPEC)) == ["run 0", "run 1"]


def test_other_data_and_other_networks_are_said_first():
    elsewhere = SOURCE.changed(path="/some/where/other.h5", sha256="1" * 64)
    assert names(info(SPEC), info(SPEC, source=elsewhere)) == ["x.h5", "other.h5"]
    assert names(info(SPEC), info(ConvNetSpec())) == ["autoencoder", "CNN"]
    # Runs of one kind are told apart among themselves.
    nets = [info(ConvNetSpec(engine=engine)) for engine in ("torch", "compiled", "compiled")]
    assert names(*nets[:2], info(SPEC)) == ["CNN, PyTorch", "CNN, compiled", "autoencoder"]
    assert names(*nets[1:], info(SPEC)) == ["run 0", "run 1", "autoencoder"]
    short = [info(SPEC.changed(epochs=epochs)) for epochs in (1, 20)]
    assert names(*short) == ["1 epoch", "20 epochs"]


def test_seeds_are_drawn_as_one_under_a_name_without_a_seed():
    runs = [info(SPEC.changed(rho=rho, seed=seed)) for rho in (0.2, 0.5) for seed in (3, 4)]
    runs.append(info(SPEC.changed(rho=0.9, seed=3)))
    called = [f"run {n}" for n in range(5)]
    together = group_runs(runs, called, seeds=True)
    assert [(group.name, group.members) for group in together] == [
        ("ρ 0.2 · 2 seeds", (0, 1)),
        ("ρ 0.5 · 2 seeds", (2, 3)),
        ("ρ 0.9", (4,)),
    ]
    alone = group_runs(runs, called, seeds=False)
    assert [group.members for group in alone] == [(n,) for n in range(5)]
    assert alone[0].name == "ρ 0.2, seed 3"
    (only,) = group_runs(runs[:2], called[:2], seeds=True)
    assert only.name == "run 0 · 2 seeds"
    assert group_runs([], [], seeds=True) == []


def test_what_is_not_the_default_in_few_words():
    assert own_settings(info(SPEC)) == ""
    spec = SPEC.changed(rho=0.2, solver="sgd", hidden_units=25, seed=7)
    assert own_settings(info(spec)) == "ρ 0.2, L 25, SGD, seed 7"
    assert own_settings(info(SPEC, preprocess=PreprocessSpec(clip=False))).endswith(" no")


def test_a_run_that_was_trained_again_is_no_other_seed():
    (group,) = group_runs([info(SPEC), info(SPEC)], ["a", "b"], seeds=True)
    assert group.name.endswith(" · 2 runs")
    (group,) = group_runs([info(SPEC), info(SPEC.changed(seed=1))], ["a", "b"], seeds=True)
    assert group.name.endswith(" · 2 seeds")


def test_a_run_in_which_a_value_was_moved_is_no_seed_of_one_in_which_it_was_not():
    runs = [info(SPEC.changed(seed=seed)) for seed in range(6)]
    histories = [
        moved(),
        moved((8, "rho", 0.05, 0.2)),
        moved((8, "rho", 0.05, 0.2)),
        moved((9, "rho", 0.05, 0.2)),
        moved((8, "rho", 0.05, 0.3)),
        # Nothing is another value than before.
        moved((8, "rho", 0.05, 0.05)),
    ]
    assert seed_groups(runs, histories) == [[0, 5], [1, 2], [3], [4]]
    # A value that was moved back within a moment was moved all the same.
    there_and_back = moved((8, "rho", 0.05, 0.2), (9, "rho", 0.2, 0.05))
    assert seed_groups(runs[:2], [moved(), there_and_back]) == [[0], [1]]
    groups = group_runs(runs[:3], ["a", "b", "c"], seeds=True, histories=histories[:3])
    assert [(group.name, group.members) for group in groups] == [
        ("ρ 0.05", (0,)),
        ("ρ 0.05 → 0.2 · 2 seeds", (1, 2)),
    ]


def test_where_values_were_moved_the_way_is_told():
    runs = [info(SPEC), info(SPEC.changed(rho=0.1)), info(SPEC)]
    way = moved(*((step, "rho", step / 20, step / 10) for step in (1, 4, 8)))
    told = describe_runs(runs, ["a", "b", "c"], [moved(), moved((8, "beta", 0.5, 5.0)), way])
    assert told == ["ρ 0.05, β 0.5", "ρ 0.1, β 0.5 → 5", "ρ 0.05 → … → 0.8, β 0.5"]


def test_what_began_elsewhere_is_no_seed_of_what_began_from_its_seed():
    one, other = (
        ParentInfo(run_id=text, name=text, step=step, epoch=step / 4)
        for text, step in (("a", 4), ("b", 8))
    )
    branches = [info(SPEC.changed(seed=seed), parent=one) for seed in (1, 2)]
    runs = [info(SPEC), *branches, info(SPEC, parent=other)]
    assert seed_groups(runs) == [[0], [1, 2], [3]]
    assert names(runs[0], runs[1].changed(spec=SPEC), runs[3]) == [
        "run 0",
        "from epoch 1",
        "from epoch 2",
    ]
    brought = info(SPEC, weights=WeightsInfo(path="/some/where/theirs.npz", sha256="1" * 64))
    assert seed_groups([info(SPEC), brought]) == [[0], [1]]
    assert names(info(SPEC), brought) == ["run 0", "theirs.npz"]
    models = [
        info(ConvNetSpec(), model=ModelInfo(path="nets.py", name=name, sha256=letter * 64))
        for name, letter in (("Wide", "1"), ("Deep", "1"), ("Deep", "2"))
    ]
    assert seed_groups(models) == [[0], [1], [2]]
    assert names(*models[:2]) == ["Wide", "Deep"]


def test_choices_are_said_as_the_form_says_them():
    spec = ConvNetSpec(engine="torch", loss="svm", schedule="decay")
    assert own_settings(info(spec)) == "SVM (hinge), falls each epoch, PyTorch"
    whitened = [info(SPEC, preprocess=PreprocessSpec(whiten=w)) for w in ("none", "computed")]
    assert names(*whitened) == ["whitening off", "ZCA, from the data"]


def test_of_a_branch_it_is_told_what_its_parent_had_otherwise():
    changes = (("rho", 0.05, 0.2), ("solver", "adam", "momentum"), ("epochs", 9, 12))
    parent = ParentInfo(run_id="a", name="a", step=4, epoch=1.0, changes=changes)
    assert changed_settings(info(SPEC, parent=parent)) == "momentum, epochs 12, ρ 0.2"
    assert changed_settings(info(SPEC)) == ""
