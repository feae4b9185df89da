"""What a study tries: read from what a person wrote, refused with one sentence, spread out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import FilterscopeError, UsageError
from app.core.presets import CNN_PRESETS, PRESETS
from app.core.studies.presets import STUDY_PRESETS, preset_study
from app.core.studies.spec import StudySpec, Varied, read_study_spec


def build(**values):
    return StudySpec.build(values)


def test_the_studies_of_the_report_are_what_the_exercise_asks_for() -> None:
    rho, hidden = (preset_study(name) for name in ("report-rho", "report-hidden"))
    assert [values["rho"] for values in rho.combinations()] == [0.2, 0.5, 0.8]
    assert [values["hidden_units"] for values in hidden.combinations()] == [25, 64, 100]
    for study in (rho, hidden):
        spec = study.spec
        assert (spec.solver, spec.learning_rate, spec.batch_size) == ("sgd", 0.01, 128)
        assert (spec.beta, spec.epochs) == (0.008, 1000)
    assert rho.spec.lam == 5e-4
    assert (hidden.spec.lam, hidden.spec.rho) == (1e-3, 0.25)
    assert set(STUDY_PRESETS) == {"report-rho", "report-hidden"}


def test_a_preset_takes_other_fields() -> None:
    study = preset_study("report-hidden", set={"epochs": 7}, seeds=3)
    assert (study.spec.epochs, study.spec.lam, study.seeds) == (7, 1e-3, (0, 1, 2))
    with pytest.raises(UsageError, match="There is no study “nothing”"):
        preset_study("nothing")


def test_settings_of_a_preset_are_written_out() -> None:
    """A later version may change a preset; a study that was begun stays what it was."""
    said = json.loads(build(preset="zca", set={"beta": 2.0, "epsilon": 0.2}).to_json())
    assert "preset" not in said
    assert said["spec"] == PRESETS["zca"].spec.changed(beta=2.0).model_dump()
    assert said["preprocess"] == PRESETS["zca"].preprocess.changed(epsilon=0.2).model_dump()
    cnn = build(kind="cnn", preset="quick")
    assert (cnn.spec, cnn.preprocess) == (CNN_PRESETS["quick"].spec, CNN_PRESETS["quick"].images)
    assert cnn.objective == "accuracy"


def test_a_grid_has_every_combination_the_last_named_fastest() -> None:
    study = build(
        vary=[{"name": "rho", "values": [0.1, 0.2]}, {"name": "solver", "values": ["sgd", "adam"]}],
        seeds=[5, 9],
    )
    assert list(study.combinations()) == [
        {"rho": 0.1, "solver": "sgd"},
        {"rho": 0.1, "solver": "adam"},
        {"rho": 0.2, "solver": "sgd"},
        {"rho": 0.2, "solver": "adam"},
    ]
    assert study.run_count == 8
    spec, _ = study.member_specs({"rho": 0.2, "solver": "sgd"}, 9)
    assert (spec.rho, spec.solver, spec.seed) == (0.2, "sgd", 9)


def test_what_prepares_the_data_can_vary_too() -> None:
    study = build(vary=[{"name": "remove_mean", "values": [True, False]}])
    assert [study.member_specs(v, 0)[1].remove_mean for v in study.combinations()] == [True, False]


def test_a_range_has_both_ends_and_equal_steps_or_factors() -> None:
    linear = Varied.build({"name": "hidden_units", "low": 25, "high": 100, "count": 4})
    assert linear.grid(integer=True) == (25, 50, 75, 100)
    log = Varied.build(
        {"name": "beta", "low": 0.001, "high": 10.0, "scale": "log", "count": 5}
    ).grid(integer=False)
    assert (log[0], log[-1]) == (0.001, 10.0)
    np.testing.assert_allclose(np.diff(np.log(log)), math.log(10), rtol=1e-12)
    few = Varied.build({"name": "hidden_units", "low": 1, "high": 3, "count": 9})
    assert few.grid(integer=True) == (1, 2, 3)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_random_values_fill_the_range(scale: str) -> None:
    study = build(
        vary=[{"name": "beta", "low": 0.01, "high": 1.0, "scale": scale}],
        search="random",
        trials=400,
    )
    values = np.array([v["beta"] for v in study.combinations()])
    assert values.min() >= 0.01
    assert values.max() <= 1.0
    middle = 0.1 if scale == "log" else 0.505
    # Half of them lie on either side, within four standard deviations.
    assert abs((values < middle).mean() - 0.5) < 4 * 0.5 / math.sqrt(400)
    assert list(study.combinations()) == list(study.combinations())
    other = study.changed(search_seed=1)
    assert list(other.combinations()) != list(study.combinations())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"vary": [{"name": "rho", "values": [0.2, 2.0]}]},
            "rho = 2.0 is out of range: 0 < rho < 1",
        ),
        ({"vary": [{"name": "rho", "low": 0.1, "high": 3}]}, "out of range"),
        ({"vary": [{"name": "nothing", "values": [1]}]}, "There is no setting “nothing”"),
        ({"vary": [{"name": "rho"}]}, "either a list of values or a range"),
        ({"vary": [{"name": "rho", "values": [0.1], "low": 0.1}]}, "either a list"),
        ({"vary": [{"name": "rho", "low": 0.5, "high": 0.2}]}, "a low end below a high end"),
        ({"vary": [{"name": "beta", "low": 0, "high": 1, "scale": "log"}]}, "begin above 0"),
        ({"vary": [{"name": "solver", "low": 0, "high": 1}]}, "solver has no range"),
        ({"vary": [{"name": "rho", "values": [0.1, 0.1]}]}, "comes twice"),
        ({"vary": [{"name": "rho", "values": [0.1]}] * 2}, "varied twice"),
        ({"vary": [{"name": "seed", "values": [1, 2]}]}, "Seeds are not varied"),
        ({"vary": [{"name": "hidden_units", "values": [2.5]}]}, "out of range"),
        ({"seeds": 0}, "1 ≤ seeds"),
        ({"seeds": [1, 1]}, "a seed comes twice"),
        ({"preset": "nothing"}, "There is no preset “nothing”"),
        ({"set": {"nothing": 1}}, "There is no setting “nothing”"),
        ({"set": 3}, "no list of names and values"),
        ({"kind": "tree"}, "neither autoencoder nor cnn"),
        ({"objective": "accuracy"}, "no best validation accuracy"),
        ({"kind": "cnn", "objective": "reconstruction"}, "no reconstruction error"),
        ({"search": "random"}, "needs a setting to vary"),
        ({"nothing": 1}, "There is no setting “nothing”"),
        (
            {"vary": [{"name": n, "low": 0.1, "high": 0.9, "count": 200} for n in ("rho", "beta")]},
            "a study has at most 10000",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(values: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        StudySpec.build(values)


@pytest.mark.parametrize("ending", ["json", "toml"])
def test_a_study_is_read_from_a_file(ending: str, tmp_path) -> None:
    path = tmp_path / f"study.{ending}"
    if ending == "toml":
        path.write_text(
            'title = "mine"\npreset = "report"\nseeds = 2\n[set]\nepochs = 5\n'
            '[[vary]]\nname = "rho"\nvalues = [0.2, 0.4]\n'
        )
    else:
        vary = [{"name": "rho", "values": [0.2, 0.4]}]
        values = {"title": "mine", "preset": "report", "seeds": 2, "set": {"epochs": 5}}
        path.write_text(json.dumps({**values, "vary": vary}))
    study = read_study_spec(path)
    assert (study.title, study.spec.epochs, study.seeds, study.run_count) == ("mine", 5, (0, 1), 4)
    # What is written is read as the same study.
    again = tmp_path / "again.json"
    again.write_bytes(study.to_json())
    assert read_study_spec(again) == study


def test_files_that_are_no_study_are_refused(tmp_path) -> None:
    path = tmp_path / "study.toml"
    with pytest.raises(UsageError, match=r"study\.toml cannot be read"):
        read_study_spec(path)
    path.write_text("seeds = ")
    with pytest.raises(UsageError, match=r"study\.toml is not a study: It is not TOML"):
        read_study_spec(path)
    path.write_bytes(b"#" * (1 << 21))
    with pytest.raises(UsageError, match="larger than"):
        read_study_spec(path)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "values", "low", "seed", "rho"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*StudySpec.model_fields, "preset", "set"]), plain))
def test_any_values_are_a_study_or_refused(values: dict) -> None:
    try:
        study = StudySpec.build(values)
    except FilterscopeError as error:
        assert error.message  # noqa: PT017 - either will do
        return
    assert StudySpec.build(json.loads(study.to_json())) == study
