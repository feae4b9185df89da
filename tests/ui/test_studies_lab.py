"""The Studies lab: a study is begun, watched, stopped, gone on with, and seen at once."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt

from app.core.errors import UsageError
from app.core.settings import load_settings
from app.core.studies.cluster import ClusterAddress
from app.core.studies.conduct import MemberEnded, StudyControl, conduct
from app.core.studies.folder import StudyFolder
from app.core.studies.local import LocalPool
from app.core.studies.results import read_results
from app.ui.panels.studies.pictures import CURVES, MAP
from app.ui.panels.studies_panel import StudiesPanel
from app.workers.thread import Runner
from tests.core.studies.small import SMALL, small_study
from tests.core.trained import images, write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "patches.npy", images(64))


@pytest.fixture
def panel(qtbot, tmp_path, monkeypatch, file):
    monkeypatch.setenv("FILTERSCOPE_RUNS", str(tmp_path / "runs"))
    runner = Runner()
    panel = StudiesPanel(runner)
    panel.given = lambda kind: {"kind": kind, "data": str(file), "spec": dict(SMALL)}
    panel.opened = []
    panel.open_page = panel.opened.append
    panel.problems = []
    panel.problem.connect(lambda *words: panel.problems.append(words))
    panel.form.place_box.workers.setText("1")
    qtbot.addWidget(panel)
    panel.resize(1200, 800)
    panel.show()
    yield panel
    panel.cancel()
    assert runner.shutdown(15.0)
    assert panel.problems == []


def choose(field, name: str) -> None:
    field.setCurrentIndex(field.findData(name))


def idle(panel) -> bool:
    session = panel.session
    return not session.busy and session._listing is None and not panel.looks.busy


def fill(panel, first: str, second: str = "", epochs: str = "3") -> None:
    form = panel.form
    choose(form.fields[0][0], "rho")
    form.fields[0][1].setText(first)
    choose(form.fields[1][0], "hidden_units" if second else "")
    form.fields[1][1].setText(second)
    form.epochs.setText(epochs)


def states(panel) -> list[str]:
    return [panel.runs.item(row, 2).text() for row in range(panel.runs.rowCount())]


def test_there_is_nothing_at_first(panel, qtbot) -> None:
    assert panel.empty.isVisible()
    assert not panel.runs.isVisible()
    assert not any(button.isEnabled() for button in (panel.go_on, panel.stop, panel.page))


def test_a_study_of_two_settings_is_begun_and_seen(panel, qtbot) -> None:
    fill(panel, "0.1, 0.3", "4, 6")
    assert panel.form.count.text() == "4 runs"
    qtbot.mouseClick(panel.form.begin, Qt.MouseButton.LeftButton)
    assert not panel.form.begin.isEnabled()
    qtbot.waitUntil(lambda: idle(panel), timeout=60_000)
    assert states(panel) == ["done"] * 4
    assert panel.form.begin.isEnabled()
    results = panel.results
    assert results is not None
    assert [dict(t.values) for t in results.trials][1] == {"rho": 0.1, "hidden_units": 6}
    assert len(panel.pictures.curves.curves) == 4
    assert panel.note.text() == "4 done"
    # A cell of the map and a line are the trial they stand for.
    panel.pictures.show_page(MAP)
    assert panel.pictures.map.trial_at(1, 0) == 1
    assert panel.pictures.map.trial_at(0, 1) == 2
    with qtbot.waitSignal(panel.pictures.map.chosen):
        panel.pictures.map.chosen.emit(2)
    assert panel.trial == 2
    assert panel.runs.selectedItems()[0].row() == 2
    assert panel.pictures.parallel.highlighted == 2
    for number in range(4):
        axis_end = panel.pictures.parallel._places[
            panel.pictures.parallel._numbers.index(number), -1
        ]
        assert panel.pictures.parallel.trial_at(2.0, axis_end) == number
    assert panel.pictures.parallel.trial_at(0.0, 5.0) is None
    # Its page is made and opened.
    qtbot.mouseClick(panel.page, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(panel.opened), timeout=60_000)
    assert panel.opened == [results.study.path / "page.html"]
    assert b"<!doctype html>" in panel.opened[0].read_bytes()[:20]


def test_a_study_at_work_shows_how_each_run_stands(panel, qtbot) -> None:
    fill(panel, "0.1, 0.3", epochs="1000000")
    qtbot.mouseClick(panel.form.begin, Qt.MouseButton.LeftButton)
    # Its curve and its filters are there before the run has ended, and its costs are said.
    qtbot.waitUntil(lambda: len(panel.pictures.curves.curves) == 1, timeout=60_000)
    assert panel.pictures.curves.curves[0].growing
    qtbot.waitUntil(lambda: len(panel.pictures.filters.columns) == 1, timeout=60_000)
    (column,) = panel.pictures.filters.columns
    assert column.words.text().startswith("ρ 0.1   epoch ")
    first = panel.pictures.curves.curves[0].x[-1]
    qtbot.waitUntil(lambda: panel.pictures.curves.curves[0].x[-1] > first, timeout=60_000)
    qtbot.waitUntil(lambda: panel.note.text().endswith("left"), timeout=60_000)
    assert panel.note.text().startswith("1 at work, 1 waiting, about ")
    assert states(panel) == ["at work", "waiting"]
    assert float(panel.runs.item(0, 4).text()) > 0
    assert panel.bar.isVisible()
    assert "of 1000000" in panel.runs.item(0, 3).text()
    with qtbot.waitSignal(panel.pictures.filters.chosen):
        qtbot.mouseClick(column, Qt.MouseButton.LeftButton)
    assert panel.trial == 0
    qtbot.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: idle(panel), timeout=60_000)
    assert panel.note.text() == "1 stopped, 1 waiting"
    assert not panel.bar.isVisible()


@pytest.mark.skipif(sys.platform == "win32", reason="A process cannot be killed so there")
def test_a_killed_worker_is_told_and_its_run_is_begun_once_more(panel, qtbot) -> None:
    told = []
    panel.told.connect(told.append)
    fill(panel, "0.1", epochs="1000000")
    qtbot.mouseClick(panel.form.begin, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(
        lambda: bool(panel.runs.item(0, 4) and panel.runs.item(0, 4).text()), timeout=60_000
    )
    seen = panel.session.watch.of(panel.results.study.info.study_id, 0)
    pid = int(seen.worker.split()[1])
    os.kill(pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: states(panel) == ["at work, once more"], timeout=60_000)
    assert told == [
        f"ρ 0.1, seed 0: Process {pid} ended in the middle (signal 9). It is begun once more."
    ]
    assert f"Process {pid} ended in the middle" in panel.runs.item(0, 2).toolTip()
    qtbot.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: idle(panel), timeout=60_000)
    assert states(panel) == ["stopped"]


def test_a_search_that_knows_nothing_yet_has_no_heat_map(panel, qtbot) -> None:
    pytest.importorskip("optuna")
    fill(panel, "0.05..0.5:log", "4..8")
    choose(panel.form.search, "optuna")
    panel.form.trials.setText("3")
    qtbot.mouseClick(panel.form.begin, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.results is not None, timeout=60_000)
    qtbot.waitUntil(lambda: idle(panel), timeout=60_000)
    assert states(panel) == ["done"] * 3
    assert panel.pictures.tabs[MAP].isEnabled()
    assert len(panel.pictures.map.found.trials) > 0


def test_keys_choose_and_open_a_run(panel, qtbot, tmp_path, file) -> None:
    study = small_study(tmp_path, file=file)
    panel.refresh()
    qtbot.waitUntil(lambda: panel.results is not None and idle(panel), timeout=60_000)
    panel.runs.setCurrentCell(0, 0)
    qtbot.keyClick(panel.runs, Qt.Key.Key_Down)
    assert panel.trial == 1
    with qtbot.waitSignal(panel.run_wanted) as wanted:
        qtbot.keyClick(panel.runs, Qt.Key.Key_Return)
    assert wanted.args == [study.run_path(study.info.members[1])]


def test_only_what_can_be_filled_in_is_shown(panel) -> None:
    form, box = panel.form, panel.form.place_box
    assert not form.fields[1][1].isVisible()
    choose(form.fields[1][0], "hidden_units")
    assert form.fields[1][1].isVisible()
    assert form.count.text() == "Say which values of hidden units are tried."
    assert not form.trials.isVisible()
    choose(form.search, "random")
    assert form.trials.isVisible()
    assert not box.address.isVisible()
    choose(box.where, "scheduler")
    assert box.address.isVisible()
    assert box.files["key"].isVisible()
    assert not box.workers.isVisible()
    assert "can run code on this computer" in box.words.text()


def test_another_network_is_chosen_while_two_settings_vary(panel) -> None:
    form = panel.form
    choose(form.fields[1][0], "lam")
    form.fields[1][1].setText("0, 1e-4")
    assert form.count.text() == "6 runs"
    # The other network has no λ: its form begins anew, and what is typed next is counted.
    choose(form.network, "cnn")
    assert [field.currentData() for field, _ in form.fields] == ["learning_rate", ""]
    assert form.count.text() == "3 runs"
    choose(form.fields[1][0], "reg")
    choose(form.network, "autoencoder")
    assert form.fields[1][0].currentData() == ""
    assert form.count.text() == "3 runs"


def test_a_scheduler_is_asked_for_as_on_the_command_line(panel, tmp_path) -> None:
    form, box = panel.form, panel.form.place_box
    fill(panel, "0.1, 0.3")
    choose(box.where, "scheduler")
    assert "is no address of a scheduler" in form.count.text()
    box.address.setText("10.0.0.5:8786")
    assert "without TLS anybody on the way can take over" in form.count.text()
    assert not form.begin.isEnabled()
    box.trusted.setChecked(True)
    assert form.count.text() == "2 runs"
    assert form.place().cluster == ClusterAddress("10.0.0.5:8786", trusted=True)
    box.trusted.setChecked(False)
    files = [write(tmp_path / f"{name}.npy", images(1)) for name in box.files]
    for line, path in zip(box.files.values(), files, strict=True):
        line.setText(str(path))
    assert form.place().cluster == ClusterAddress("10.0.0.5:8786", *files)
    assert form.begin.isEnabled()


def test_the_address_of_a_scheduler_is_kept_for_the_next_start(
    make_window, qtbot, monkeypatch, tmp_path
) -> None:
    window = make_window()
    panel, box = window.studies, window.studies.form.place_box
    begun = []
    monkeypatch.setattr(panel.session, "begin", lambda specs, place: begun.append(place))
    panel.given = lambda kind: {"kind": kind, "data": str(tmp_path), "spec": dict(SMALL)}
    fill(panel, "0.1, 0.3")
    choose(box.where, "scheduler")
    box.trusted.setChecked(True)
    for address in ("tcp://10.0.0.5:8786", "tcp://me:secret@10.0.0.6:8786"):
        box.address.setText(address)
        panel.begin_own()
    assert [place.cluster.address for place in begun] == [
        "tcp://10.0.0.5:8786",
        "tcp://me:secret@10.0.0.6:8786",
    ]
    # What opens a scheduler is no setting.
    kept, problem = load_settings()
    assert (kept.scheduler, problem) == ("tcp://10.0.0.5:8786", "")
    assert "secret" not in kept.to_json().decode()
    again = make_window()
    again.settings = kept
    assert again.studies.form.place_box.address.text() == "tcp://10.0.0.5:8786"
    assert not again.studies.form.place_box.trusted.isChecked()
    qtbot.waitUntil(lambda: idle(panel) and idle(again.studies))


def test_a_scheduler_that_does_not_answer_is_told_once(panel, qtbot, monkeypatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("app.core.studies.cluster.SECONDS_TO_CONNECT", 0.3)
    fill(panel, "0.1, 0.3")
    choose(panel.form.place_box.where, "scheduler")
    panel.form.place_box.address.setText("127.0.0.1:9")
    qtbot.mouseClick(panel.form.begin, Qt.MouseButton.LeftButton)
    # It is asked beside the window.
    assert panel.session.busy
    assert "connecting to 127.0.0.1:9 …" in panel.note.text()
    qtbot.waitUntil(lambda: idle(panel), timeout=60_000)
    ((message, hint, bug),) = panel.problems
    panel.problems.clear()
    assert "The scheduler at 127.0.0.1:9 does not answer" in message
    assert "Is it running" in hint
    assert bug == ""
    assert states(panel) == ["waiting", "waiting"]
    assert panel.go_on.isEnabled()


def test_stop_keeps_all_and_go_on_ends_it(panel, qtbot) -> None:
    fill(panel, "0.1, 0.3", epochs="1000000")
    qtbot.mouseClick(panel.form.begin, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "at work" in states(panel), timeout=60_000)
    qtbot.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: idle(panel), timeout=60_000)
    assert states(panel) == ["stopped", "waiting"]
    assert panel.go_on.isEnabled()
    qtbot.mouseClick(panel.go_on, Qt.MouseButton.LeftButton)
    assert panel.session.busy
    assert not panel.go_on.isEnabled()
    qtbot.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: idle(panel), timeout=60_000)


def test_both_studies_of_the_report_are_one_click(panel, qtbot, monkeypatch) -> None:
    begun = []
    monkeypatch.setattr(panel.session, "begin", lambda specs, *more, **words: begun.extend(specs))
    panel.form.epochs.setText("7")
    qtbot.mouseClick(panel.form.reportStudy, Qt.MouseButton.LeftButton)
    assert [[one.name for one in spec.vary] for spec in begun] == [["rho"], ["hidden_units"]]
    assert {spec.spec.epochs for spec in begun} == {7}
    # The data of the lab, the settings of the report.
    assert all(spec.data.endswith("patches.npy") for spec in begun)
    assert {spec.spec.batch_size for spec in begun} == {128}


def test_how_many_run_at_once_is_checked_at_once(panel) -> None:
    panel.form.place_box.workers.setText("0")
    assert "a whole number from 1 to 256" in panel.form.count.text()
    assert not panel.form.begin.isEnabled()


def test_studies_begun_as_one_stay_one_after_the_next_start(panel, qtbot, tmp_path, file) -> None:
    specs = [small_study(tmp_path / "x", file=file).spec for _ in range(2)]
    first, second = StudyFolder.create_all(specs, tmp_path / "runs")
    (alone,) = StudyFolder.create_all(specs[:1], tmp_path / "runs")
    panel.refresh()
    qtbot.waitUntil(lambda: panel.studies.count() == 3 and idle(panel), timeout=60_000)
    groups = [panel.session.begun_with(results) for results in panel.session.results]
    assert [[one.study.path for one in group] for group in groups] == [
        [alone.path],
        [first.path, second.path],
        [first.path, second.path],
    ]
    # What is missing of both is trained, and both are on the page.
    choose(panel.studies, second.info.study_id)
    qtbot.mouseClick(panel.go_on, Qt.MouseButton.LeftButton)
    assert [study.path for study in panel.session.conducted] == [first.path, second.path]
    qtbot.waitUntil(lambda: idle(panel), timeout=60_000)
    assert states(panel) == ["done", "done"]
    assert not panel.go_on.isEnabled()
    qtbot.mouseClick(panel.page, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(panel.opened), timeout=60_000)
    text = panel.opened[0].read_text(encoding="utf-8")
    assert first.info.study_id in text
    assert second.info.study_id in text


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("seeds", "no", "neither a number"),
        ("epochs", "1.5", "Epochs: a whole number"),
    ],
)
def test_what_cannot_be_meant_is_said_at_once(panel, name, text, said) -> None:
    getattr(panel.form, name).setText(text)
    assert said in panel.form.count.text()
    assert not panel.form.begin.isEnabled()


def test_values_out_of_range_are_said_at_once(panel) -> None:
    fill(panel, "0.1, 7")
    assert "rho = 7.0 is out of range" in panel.form.count.text()


def test_a_lab_without_data_is_told(panel, qtbot) -> None:
    def nothing(kind: str):
        raise UsageError("No patches are open.", "Open some first.")

    panel.given = nothing
    fill(panel, "0.1, 0.3")
    qtbot.mouseClick(panel.form.begin, Qt.MouseButton.LeftButton)
    assert panel.form.error.text() == "No patches are open. Open some first."
    assert not panel.session.busy


def test_a_study_from_elsewhere_is_shown_when_the_lab_is_seen(panel, qtbot, tmp_path, file) -> None:
    study = small_study(tmp_path, file=file)
    with LocalPool(1, threads=1) as pool:
        ended = [e for e in conduct([study], pool, StudyControl()) if isinstance(e, MemberEnded)]
    panel.refresh()
    qtbot.waitUntil(lambda: panel.results is not None and idle(panel), timeout=60_000)
    values = [panel.runs.item(row, 5).text().split()[0] for row in range(2)]
    assert values == [f"{event.value:.5g}" for event in ended]
    assert not panel.pictures.tabs[MAP].isEnabled()
    assert panel.pictures.page == CURVES
    with qtbot.waitSignal(panel.run_wanted) as wanted:
        panel.runs.cellDoubleClicked.emit(1, 0)
    assert wanted.args == [study.run_path(study.info.members[1])]


def test_the_window_gives_what_its_labs_have(qtbot, tmp_path, monkeypatch, file) -> None:
    from app.core.settings import Settings
    from app.ui.data_session import DataRequest
    from app.ui.labs.places import RUNS, STUDIES
    from app.ui.main_window import MainWindow

    monkeypatch.setenv("FILTERSCOPE_RUNS", str(tmp_path / "runs"))
    window = MainWindow(Settings())
    window.keep_settings = False
    qtbot.addWidget(window)
    window.show()
    window.data.open(DataRequest(file))
    qtbot.waitUntil(lambda: window.data.patches is not None, timeout=60_000)
    window.show_lab(STUDIES)
    given = window.studies.given("autoencoder")
    assert given["data"].startswith(str(file))
    assert given["spec"] == window.spec.model_dump()
    assert window.studies.given("cnn")["data"] == ""
    # Those settings are a study, which opens what the window has open.
    study = small_study(
        tmp_path, data=given["data"], layout=given["layout"], value_range=given["value_range"]
    )
    with LocalPool(1, threads=1) as pool:
        assert list(conduct([study], pool, StudyControl()))[-1].reason == "done"
    run = read_results(study).trials[0].shown_run
    assert run is not None
    assert window.data.raw is not None
    assert run.info.source.sha256 == window.data.raw.source.sha256
    window.studies.run_wanted.emit(run.path)
    assert window.place == RUNS
    qtbot.waitUntil(lambda: window.runs.runs.shown.rowCount() > 0, timeout=60_000)
    window.close()
