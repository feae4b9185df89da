"""Runs that differ in their seed alone, and the words that tell runs apart."""

from __future__ import annotations

from app.core.compare.groups import describe_runs, group_runs, own_settings, seed_groups
from app.core.specs import AutoencoderSpec, ConvNetSpec, PreprocessSpec
from tests.core.compare.test_curves import SOURCE, info

SPEC = AutoencoderSpec()


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
    assert three == ["adam, ρ 0.2, seed 1", "adam, ρ 0.2, seed 2", "sgd, ρ 0.5, seed 0"]
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
    assert own_settings(info(spec)) == "ρ 0.2, L 25, sgd, seed 7"
    assert own_settings(info(SPEC, preprocess=PreprocessSpec(clip=False))).endswith(" no")


def test_a_run_that_was_trained_again_is_no_other_seed():
    (group,) = group_runs([info(SPEC), info(SPEC)], ["a", "b"], seeds=True)
    assert group.name.endswith(" · 2 runs")
    (group,) = group_runs([info(SPEC), info(SPEC.changed(seed=1))], ["a", "b"], seeds=True)
    assert group.name.endswith(" · 2 seeds")
