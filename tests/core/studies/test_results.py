"""What a study found: means, heat maps, parallel coordinates, searches, and its page."""

from __future__ import annotations

import html.parser
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from app.core.control import Control
from app.core.errors import Cancelled
from app.core.studies.conduct import StudyControl, StudyEnded, conduct
from app.core.studies.folder import StudyFolder
from app.core.studies.job import Stage, job_of, perform
from app.core.studies.page import study_page
from app.core.studies.pictures import BEST, WORST, parallel_chart, rank_colour
from app.core.studies.pool import Report
from app.core.studies.presets import preset_study
from app.core.studies.results import (
    MOST_STEPS,
    heat_map,
    parallel_axes,
    read_results,
    words_of,
)
from app.core.takeaway.page import page_html
from tests.core.studies.small import SMALL, small_study
from tests.core.trained import images, write


class Here:
    """A pool that trains in this process, one run after the other."""

    threads = 1

    def __init__(self) -> None:
        self.stage, self.jobs, self.order = Stage(), [], []

    def room(self) -> int:
        return 1 - len(self.jobs)

    def submit(self, job) -> None:
        self.jobs.append(job)
        self.order.append(job)

    def wait(self, seconds: float) -> list[Report]:
        job = self.jobs.pop()
        ended = perform(job, lambda _: None, Control(), stage=self.stage)
        return [Report(job.key, "ended", ended)]

    def stop(self) -> None:
        return None


def trained(study: StudyFolder):
    """Train a study; returns what it gave."""
    events = list(conduct([study], Here(), StudyControl()))
    assert isinstance(events[-1], StudyEnded)
    assert events[-1].reason == "done"
    return read_results(StudyFolder.open(study.path))


TWO = [{"name": "hidden_units", "values": [6, 3]}, {"name": "solver", "values": ["sgd", "adam"]}]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return trained(small_study(tmp_path_factory.mktemp("two"), vary=TWO, seeds=2))


def test_trials_are_means_over_their_seeds(two) -> None:
    for trial in two.trials:
        costs = [sum(run.info.outcome.terms) for run in trial.runs]
        assert trial.judged == tuple(costs)
        assert trial.mean == pytest.approx(np.mean(costs), rel=1e-15)
    assert two.best.mean == min(trial.mean for trial in two.trials)
    assert two.states == {"done": 8}
    assert words_of(two.spec, two.trials[0].values) == "L 6, solver SGD"


def test_a_heat_map_has_numbers_in_order_and_words_as_they_come(two) -> None:
    found = heat_map(two, "hidden_units", "solver")
    assert (found.rows, found.columns) == ((3, 6), ("sgd", "adam"))
    assert found.words == (["3", "6"], ["SGD", "Adam"])
    by_values = {tuple(t.values.values()): t for t in two.trials}
    for (i, row), (j, column) in itertools.product(enumerate(found.rows), enumerate(found.columns)):
        assert found.values[i, j] == by_values[row, column].mean
        assert found.trials[i, j] == by_values[row, column].number


def test_what_is_not_known_is_a_hole(tmp_path: Path) -> None:
    study = small_study(tmp_path, vary=TWO)
    member = study.info.members[1]
    perform(job_of(study, member, 1), lambda _: None, Control())
    found = heat_map(read_results(study), "hidden_units", "solver")
    assert np.isfinite(found.values).tolist() == [[False, False], [False, True]]
    assert found.trials == {(1, 1): 1}


def test_nothing_known_is_no_heat_map(tmp_path: Path) -> None:
    assert heat_map(read_results(small_study(tmp_path, vary=TWO)), "hidden_units", "solver") is None


def test_a_heat_map_of_a_search_puts_parts_of_a_range_together(tmp_path: Path) -> None:
    vary = [
        {"name": "rho", "low": 0.01, "high": 0.5, "scale": "log"},
        {"name": "hidden_units", "values": [3, 6]},
    ]
    study = small_study(tmp_path, vary=vary, search="random", trials=24, set={"epochs": 1})
    stage = Stage()
    for member in study.info.members:
        perform(job_of(study, member, 1), lambda _: None, Control(), stage=stage)
    results = read_results(study)
    found = heat_map(results, "rho", "hidden_units")
    assert found is not None
    assert (len(found.rows), found.columns) == (MOST_STEPS, (3, 6))
    # Steps are equal factors apart, and each trial is in the one that it lies in.
    edges = np.geomspace(0.01, 0.5, MOST_STEPS + 1)
    cells: dict[tuple[int, int], list[float]] = {}
    for trial in results.trials:
        rho, units = trial.values["rho"], trial.values["hidden_units"]
        row = next(i for i in range(MOST_STEPS) if edges[i] <= rho <= edges[i + 1])
        assert edges[row] < found.rows[row] < edges[row + 1]
        cells.setdefault((row, (3, 6).index(units)), []).append(trial.mean)
    for place in itertools.product(range(MOST_STEPS), range(2)):
        mean = np.mean(cells[place]) if place in cells else np.nan
        np.testing.assert_allclose(found.values[place], mean)
    assert len(cells) > 8


def test_parallel_axes_run_from_least_to_most(two) -> None:
    units, solver, judged = parallel_axes(two)
    assert [axis.name for axis in (units, solver, judged)] == ["L", "solver", "cost at the end"]
    np.testing.assert_allclose(units.places, [1, 1, 0, 0], atol=1e-12)
    assert solver.places.tolist() == [0, 1, 0, 1]
    assert solver.ticks == ((0, "SGD"), (1, "Adam"))
    means = np.array([trial.mean for trial in two.trials])
    expected = (means - means.min()) / (means.max() - means.min())
    np.testing.assert_allclose(judged.places, expected, atol=1e-12)


def test_the_best_is_drawn_last_in_blue(two) -> None:
    chart = parallel_chart(two)
    assert len(chart.lines) == 4
    assert chart.lines[-1][1] == rank_colour(0.0) == "#{:02x}{:02x}{:02x}".format(*BEST)
    assert chart.lines[0][1] == "#{:02x}{:02x}{:02x}".format(*WORST)
    assert chart.svg().count(b"<polyline") >= 7
    assert chart.png()[:4] == b"\x89PNG"


class Tags(html.parser.HTMLParser):
    """Collects what a page refers to, and checks that tags are closed."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.sources, self.open, self.headings = [], [], []
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attributes) -> None:
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def test_the_page_of_a_study_needs_nothing_else(two) -> None:
    page, notes = study_page([two])
    assert notes == []
    data = page_html(page)
    tags = Tags(data)
    assert tags.open == []
    assert all(source.startswith("data:") for source in tags.sources)
    assert b"<script" not in data
    assert {"Patches", "Filters", "Reconstructions", "Cost", "Outcomes"} <= set(tags.headings)
    assert "All settings together" in tags.headings
    text = data.decode()
    for trial in two.trials:
        assert f"{trial.mean:.5g}" in text
    assert two.study.info.study_id in text
    assert two.study.info.data_sha256 in text


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return both studies of the report, small."""
    folder = tmp_path_factory.mktemp("report")
    file = write(folder / "patches.npy", images(64))
    small = {"epochs": SMALL["epochs"], "batch_size": 16}
    return [
        trained(StudyFolder.create(preset_study(name, data=str(file), set=small), folder / "runs"))
        for name in ("report-rho", "report-hidden")
    ]


def test_the_page_of_the_report_answers_its_figures(report) -> None:
    page, notes = study_page(report)
    assert notes == []
    figures = {
        int(number): figure
        for section in page.sections
        for figure in section.figures
        for number in re.findall(r"Figure (\d+)", figure.caption)
    }
    # Figure 3 shows two values of ρ; there is no Figure 11, and 2 to 14 are asked for.
    assert set(figures) == {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14}
    assert [figures[n].content.count for n in (7, 8, 9)] == [25, 64, 100]
    assert figures[4].title.replace("\u00a0", " ") == "ρ 0.8"
    # One table of settings, and then what the second study has of its own.
    tables = {section.title: section.tables for section in page.sections}
    second = tables["Settings of the hidden units study"]
    named = {row[1] for table in second for row in table.rows}
    assert named == {"Weight decay", "Target activation"}


def test_filters_and_reconstructions_are_those_of_the_runs(report) -> None:
    from app.core.mosaic import mosaic

    page, _ = study_page(report[1:])
    (filters,) = (s for s in page.sections if s.title == "Filters")
    for figure, trial in zip(filters.figures, report[1].trials, strict=True):
        tiles = trial.runs[0].read_weights()[1]["W1"].T.reshape(-1, 1, 6, 6)
        assert np.array_equal(figure.content.pixels, mosaic(tiles).pixels)


def test_a_page_says_what_is_not_there_any_more(tmp_path: Path) -> None:
    results = trained(small_study(tmp_path))
    Path(results.spec.data).write_bytes(b"")
    page, notes = study_page([results])
    assert any("Patches are not shown" in note for note in notes)
    assert "Patches" not in [section.title for section in page.sections]
    assert "Filters" in [section.title for section in page.sections]


def test_a_page_can_be_given_up(two) -> None:
    with pytest.raises(Cancelled):
        study_page([two], cancel=lambda: True)


def test_a_page_of_a_study_that_has_not_begun(tmp_path: Path) -> None:
    page, _ = study_page([read_results(small_study(tmp_path))])
    assert Tags(page_html(page)).open == []


# --- searches


@pytest.mark.parametrize("search", ["random", "optuna"])
def test_a_search_tries_as_often_as_it_may(search: str, tmp_path: Path) -> None:
    if search == "optuna":
        pytest.importorskip("optuna")
    vary = [
        {"name": "learning_rate", "low": 1e-4, "high": 0.1, "scale": "log"},
        {"name": "hidden_units", "low": 2, "high": 6},
        {"name": "solver", "values": ["sgd", "adam"]},
    ]
    more = {"vary": vary, "search": search, "trials": 5, "seeds": 2, "set": {"epochs": 1}}
    results = trained(small_study(tmp_path, **more))
    assert len(results.trials) == 5
    for trial in results.trials:
        assert 1e-4 <= trial.values["learning_rate"] <= 0.1
        assert 2 <= trial.values["hidden_units"] <= 6
        # No more digits than can be read, also on the way through the estimator.
        assert float(f"{trial.values['learning_rate']:.4g}") == trial.values["learning_rate"]
        assert len(trial.members) == 2
    assert len({trial.values["learning_rate"] for trial in results.trials}) == 5
    assert "All settings together" in [s.title for s in study_page([results])[0].sections]


def test_optuna_comes_nearer_and_goes_on_knowing_what_it_knew(tmp_path: Path, monkeypatch) -> None:
    """The objective is a parabola in log β: no network is needed to see who searches well."""
    pytest.importorskip("optuna")
    from app.core.studies import search

    vary = [{"name": "beta", "low": 1e-3, "high": 10.0, "scale": "log"}]
    study = small_study(tmp_path, vary=vary, search="optuna", trials=40)
    adviser = search.Adviser(study)

    def cost(member) -> float:
        return (np.log10(member.values["beta"]) + 1.0) ** 2

    def ask(adviser) -> float:
        (member,) = adviser.more()
        adviser.learn(member, cost(member))
        return cost(member)

    seen = [ask(adviser) for _ in range(20)]

    # It goes on in another process: what was found stands in the runs.
    class Ended:
        class info:  # noqa: N801 - it stands for an attribute
            state = "done"

    again = StudyFolder.open(study.path)
    assert len(again.info.members) == 20
    by_run = {}
    monkeypatch.setattr(StudyFolder, "run_of", lambda _, m: by_run.setdefault(m.number, Ended))
    values = iter(seen)
    monkeypatch.setattr(search, "value_of", lambda *_: next(values))
    adviser = search.Adviser(again)
    later = [ask(adviser) for _ in range(20)]
    assert adviser.finished
    assert adviser.more() == []
    # A quarter of uniform draws would lie within half a decade of the best; half of 20 or more
    # do once in seventy times.
    assert sum(value < 0.25 for value in later) >= 10
    assert min(later) < 0.01
