"""Curves and filters of a study's trials, of runs that have ended and of those at work."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.core.control import Control
from app.core.errors import Cancelled
from app.core.studies.conduct import StudyControl, conduct
from app.core.studies.job import job_of, perform
from app.core.studies.local import LocalPool
from app.core.studies.look import MOST_TRIALS, Looker, shown_trials
from app.core.studies.results import read_results
from app.core.takeaway.contents import contents_of
from tests.core.studies.small import small_study

PALETTE = ("#111111", "#222222", "#333333")


def conducted(tmp_path: Path, **values):
    study = small_study(tmp_path, **values)
    with LocalPool(1, threads=1) as pool:
        assert list(conduct([study], pool, StudyControl()))[-1].reason == "done"
    return read_results(study)


def test_of_runs_that_have_ended_all_is_seen(tmp_path: Path) -> None:
    results = conducted(tmp_path, seeds=2)
    look = Looker(PALETTE).look(results)
    assert [(curve.name, curve.colour) for curve in look.curves] == [
        ("ρ 0.1", PALETTE[0]),
        ("ρ 0.3", PALETTE[1]),
    ]
    for curve, trial in zip(look.curves, results.trials, strict=True):
        for column, run in zip(curve.y.T, trial.runs, strict=True):
            assert run is not None
            whole = run.read_history()[0].terms.sum(axis=1)
            np.testing.assert_allclose(column, whole, rtol=1e-6)
        assert not curve.growing
    assert sorted(look.costs) == [0, 1, 2, 3]
    assert [picture.trial for picture in look.pictures] == [0, 1]
    tiles = contents_of(results.trials[0].runs[0]).filters()
    size = Image.open(io.BytesIO(look.pictures[0].png)).size
    assert size[0] % tiles.pixels.shape[1] == 0


def test_a_run_that_is_stopped_and_goes_on_is_read_again(tmp_path: Path) -> None:
    study = small_study(tmp_path, set={"epochs": 200}, vary=[{"name": "rho", "values": [0.2]}])
    looker = Looker(PALETTE)
    assert looker.look(read_results(study)).curves == []
    control = Control()

    def stop_soon(words: object) -> None:
        control.stop()

    job = job_of(study, study.info.members[0], 1)
    assert perform(job, stop_soon, control)["state"] == "stopped"
    results = read_results(study)
    early = looker.look(results)
    assert len(early.pictures) == 1
    assert perform(job, lambda words: None, Control())["state"] == "done"
    # The same results, as they were listed before: what was not finished is opened again.
    late = looker.look(results)
    assert late.curves[0].x[-1] == pytest.approx(200.0)
    assert early.curves[0].x[-1] < 200.0
    assert early.pictures[0].png != late.pictures[0].png


def test_a_run_that_trains_elsewhere_has_the_curve_that_was_heard(tmp_path: Path) -> None:
    results = read_results(small_study(tmp_path))
    heard = {0: ([(1.0, 4.0), (2.0, 3.0)], [])}
    look = Looker(PALETTE).look(results, live=heard)
    (curve,) = look.curves
    assert (curve.name, curve.growing) == ("ρ 0.1", True)
    assert curve.x.tolist() == [1.0, 2.0]
    assert curve.y[:, 0].tolist() == [4.0, 3.0]
    assert look.costs == {0: [(1.0, 4.0), (2.0, 3.0)]}
    assert look.pictures == []


def test_a_seed_that_has_just_begun_does_not_cut_the_others_short(tmp_path: Path) -> None:
    study = small_study(tmp_path, seeds=2, vary=[{"name": "rho", "values": [0.2]}])
    perform(job_of(study, study.info.members[0], 1), lambda words: None, Control())
    results = read_results(study)
    look = Looker(PALETTE).look(results, live={1: ([(0.5, 4.0)], [])})
    assert look.curves[0].x[-1] == pytest.approx(3.0)
    assert look.curves[0].y.shape[1] == 1


def test_of_many_trials_the_best_are_drawn_and_the_chosen_one(tmp_path: Path) -> None:
    rhos = [round(0.05 * place, 2) for place in range(1, 12)]
    results = conducted(tmp_path, vary=[{"name": "rho", "values": rhos}])
    best = sorted(results.trials, key=lambda trial: trial.mean or 0.0)
    shown = [trial.number for trial in shown_trials(results)]
    assert shown == sorted(trial.number for trial in best[:MOST_TRIALS])
    worst = best[-1].number
    with_it = [trial.number for trial in shown_trials(results, worst)]
    assert with_it == sorted([*(trial.number for trial in best[: MOST_TRIALS - 1]), worst])


def test_reading_can_be_given_up(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        Looker(PALETTE).look(read_results(small_study(tmp_path)), cancel=lambda: True)
