"""The Race lab: settings race in the window, are steered by its bar, and are kept."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import Qt

from app.core.compare.curves import RunCurve
from app.core.runs import RunFolder, list_runs
from app.core.settings import data_folder
from app.ui.labs.places import AUTOENCODER, RACE, RUNS
from app.ui.main_window import MainWindow
from app.ui.training_session import State
from app.ui.widgets.run_curves import RunCurves


@pytest.fixture
def lab(window: MainWindow):
    window.autoencoder_lab.take_spec(window.spec.changed(hidden_units=6, batch_size=32))
    window.show_lab(RACE)
    panel = window.race
    panel.form.epochs.setText("3")
    return panel


def choose(box, name: str) -> None:
    box.setCurrentIndex(box.findData(name))


def click(qtbot, button) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def ended(panel) -> bool:
    return not panel.state.alive and panel.session._worker is None


def endless(panel) -> None:
    panel.form.epochs.setText("100000")


def steps(panel) -> list[int]:
    return [len(one.history) for one in panel.session.contestants]


def test_it_says_what_to_do_and_is_ready_at_once(lab, window) -> None:
    assert lab.empty.isVisible()
    assert "press Train" in lab.empty.text()
    assert not lab.curve_card.isVisible()
    assert lab.form.values.text() == "0.05, 0.2, 0.5"
    assert window.transport.isVisible()
    assert window.transport.main.isEnabled()
    assert not lab.form.error.isVisible()


def test_three_settings_race_to_the_end(lab, window, qtbot) -> None:
    click(qtbot, window.transport.main)
    assert not lab.form.values.isEnabled()
    qtbot.waitUntil(lambda: ended(lab), timeout=30_000)
    assert not lab.empty.isVisible()
    assert [lane.isVisible() for lane in lab.lanes] == [True, True, True, False]
    assert [lane.name.text() for lane in lab.lanes[:3]] == ["ρ 0.05", "ρ 0.2", "ρ 0.5"]
    places = [lane.place.text().partition(" ")[0] for lane in lab.lanes[:3]]
    assert sorted(places) == ["1st", "2nd", "3rd"]
    # Who won is marked; the others say how far they are behind.
    won = [lane.place.property("leads") == "won" for lane in lab.lanes[:3]]
    assert won == [place == "1st" for place in places]
    assert [("%" in lane.place.text()) for lane in lab.lanes[:3]] == [not first for first in won]
    for lane in lab.lanes[:3]:
        assert lane.filters.count == 6
        assert lane.figures.text().startswith("J ")
        assert not lane.slider.isEnabled()
    assert "won by reconstruction error" in lab.card.note.text()
    assert len(lab.curves.curves) == 3
    assert all(lab.curves.values())
    assert lab.form.values.isEnabled()
    assert {run.info.state for run in list_runs(data_folder())} == {"done"}
    assert len(list_runs(data_folder())) == 3
    # They are in the table of runs, to be found by their tag.
    window.show_lab(RUNS)
    assert not window.transport.isVisible()
    qtbot.waitUntil(lambda: not window.runner.busy, timeout=10_000)


def test_what_wins_depends_on_what_it_is_judged_by(lab, window, qtbot) -> None:
    window.on_main()
    qtbot.waitUntil(lambda: ended(lab), timeout=30_000)
    choose(lab.form.judge, "cost")
    costs = [one.value("cost") for one in lab.session.contestants]
    best = costs.index(min(costs))
    assert lab.lanes[best].place.text() == "1st"
    assert "error" not in lab.lanes[0].figures.text()
    assert f"won by cost J {min(costs):.3g}; the next has" in lab.card.note.text()


def test_export_is_of_the_race_and_says_whose_run_it_is(lab, window, qtbot, tmp_path) -> None:
    exporter = window.exporter
    exporter.refresh()
    assert {item.key.partition("_")[0] for item in exporter.items} == {"race", "racer"}
    assert not any(item.ready() for item in exporter.items)
    window.on_main()
    qtbot.waitUntil(lambda: ended(lab), timeout=30_000)
    exporter.refresh()
    best = [lane.place.property("leads") for lane in lab.lanes[:3]].index("won")
    names = [one.name for one in lab.session.contestants]
    assert exporter.actions["racer_report"].text() == f"Report, {names[best]}…"
    last = (best + 1) % 3
    lab.form.taken.setCurrentIndex(last + 1)
    exporter.refresh()
    assert exporter.actions["racer_report"].text() == f"Report, {names[last]}…"
    assert all(item.ready() for item in exporter.items)
    for key in ("race_racers", "race_filters", "race_curves", "race_standing"):
        assert exporter.save(key, tmp_path / key)
        (written,) = tmp_path.glob(f"{key}.*")
        assert written.stat().st_size > 100
    assert exporter.save("racer_script", tmp_path / "again.py")
    qtbot.waitUntil(lambda: not window.runner.busy, timeout=20_000)
    rho = lab.session.contestants[last].spec.rho
    assert f"rho = {rho}" in (tmp_path / "again.py").read_text()
    window.show_lab(1)
    exporter.refresh()
    assert not exporter.actions["racer_report"].isVisible()
    assert exporter.actions["run_report"].text() == "Report…"


def test_step_pause_and_stop_are_for_all(lab, window, qtbot) -> None:
    endless(lab)
    window.on_step()
    qtbot.waitUntil(lambda: lab.state is State.PAUSED, timeout=20_000)
    assert steps(lab) == [1, 1, 1]
    window.on_step()
    qtbot.waitUntil(lambda: steps(lab) == [2, 2, 2], timeout=20_000)
    assert "all wait after the same batch" in window.transport.status.text()
    window.on_main()
    qtbot.waitUntil(lambda: lab.state is State.RUNNING and min(steps(lab)) > 5, timeout=20_000)
    window.on_main()
    qtbot.waitUntil(lambda: lab.state is State.PAUSED, timeout=20_000)
    assert len(set(steps(lab))) == 1
    window.on_stop()
    qtbot.waitUntil(lambda: ended(lab), timeout=20_000)
    assert len(set(steps(lab))) == 1
    for one in lab.session.contestants:
        run = RunFolder.open(one.path)
        assert run.info.state == "stopped"
        assert len(run.read_history()[0]) == steps(lab)[0]


def test_a_value_is_moved_for_one_racer_alone(lab, window, qtbot) -> None:
    endless(lab)
    window.on_main()
    qtbot.waitUntil(lambda: min(steps(lab), default=0) > 0, timeout=20_000)
    lane = lab.lanes[1]
    assert lane.slider.isEnabled()
    lane.slider.setValue(lane.slider.minimum() + 100)
    value = lane.field._value
    moved = lab.session.contestants[1]
    qtbot.waitUntil(lambda: bool(moved.moved), timeout=20_000)
    window.on_stop()
    qtbot.waitUntil(lambda: ended(lab), timeout=20_000)
    assert moved.moved == {"ρ": value}
    assert lane.name.text().startswith("ρ 0.2  (ρ → ")
    assert [len(one.history.changes) for one in lab.session.contestants] == [0, 1, 0]


def test_another_live_setting_can_be_moved(lab, window, qtbot) -> None:
    choose(lab.form.field, "hidden_units")
    lab.form.values.setText("4, 9")
    assert lab.form.moves.name == "learning_rate"
    endless(lab)
    window.on_main()
    qtbot.waitUntil(lambda: min(steps(lab), default=0) > 0, timeout=20_000)
    qtbot.waitUntil(lambda: [n.filters.count for n in lab.lanes[:2]] == [4, 9], timeout=20_000)
    choose(lab.form.live, "beta")
    lane = lab.lanes[0]
    lane.field.value_typed.emit(2.5)
    qtbot.waitUntil(lambda: bool(lab.session.contestants[0].moved), timeout=20_000)
    assert lab.session.contestants[0].spec.beta == 2.5
    lane.field.value_typed.emit(-1.0)
    assert "beta = -1.0 is out of range" in window.notice.message.text()
    assert lab.session.contestants[0].spec.beta == 2.5
    window.on_stop()
    qtbot.waitUntil(lambda: ended(lab), timeout=20_000)


def test_one_that_diverges_is_out_and_the_others_go_on(lab, window, qtbot) -> None:
    spec = window.spec.changed(decoder="linear", solver="sgd")
    window.autoencoder_lab.take_spec(spec)
    choose(lab.form.field, "learning_rate")
    lab.form.values.setText("1e-3, 1e8")
    window.on_main()
    qtbot.waitUntil(lambda: ended(lab), timeout=30_000)
    assert lab.lanes[1].place.text() == "out"
    assert lab.lanes[1].figures.text().startswith("The cost stopped being a finite number")
    assert lab.lanes[0].place.text() == "1st"
    assert "η 1e8 is out" in window.notice.message.text()
    assert lab.session.contestants[0].epochs == 3


@pytest.mark.parametrize(
    ("field", "values", "says"),
    [
        ("rho", "0.1", "there is one"),
        ("rho", "", "is not NAME=VALUES"),
        ("rho", "0.1, 3", "out of range"),
        ("hidden_units", "4, 5, 6, 7, 8", "there are more"),
    ],
)
def test_what_cannot_race_is_said_beside_the_form(lab, window, field, values, says) -> None:
    choose(lab.form.field, field)
    lab.form.values.setText(values)
    assert says in lab.form.error.text()
    assert lab.form.error.isVisible()
    assert not window.transport.main.isEnabled()
    lab.start()
    assert lab.state is State.IDLE
    assert list_runs(data_folder()) == []


def test_reset_begins_anew_with_another_seed(lab, window, qtbot) -> None:
    endless(lab)
    window.on_main()
    qtbot.waitUntil(lambda: min(steps(lab), default=0) > 0, timeout=20_000)
    window.on_new_seed()
    qtbot.waitUntil(lambda: lab.state is State.IDLE, timeout=20_000)
    assert lab.empty.isVisible()
    assert not lab.track.isVisible()
    assert lab.spec.seed == window.spec.seed + 1
    lab.form.epochs.setText("1")
    window.on_main()
    qtbot.waitUntil(lambda: ended(lab), timeout=20_000)
    assert {one.spec.seed for one in lab.session.contestants} == {window.spec.seed + 1}


def test_another_seed_without_data_is_told(make_window) -> None:
    window = make_window()
    window.show_lab(RACE)
    window.on_new_seed()
    assert window.notice.message.text() == "No patches are open."
    assert window.race.seed is None


@pytest.mark.parametrize("place", [AUTOENCODER, RACE])
def test_after_the_last_seed_there_is_none(window, place) -> None:
    window.autoencoder_lab.take_spec(window.spec.changed(seed=2**63 - 1))
    window.show_lab(place)
    window.on_new_seed()
    assert "seed" in window.notice.message.text()
    assert window.steered.spec.seed == 2**63 - 1


def test_a_race_goes_on_while_another_lab_is_looked_at(lab, window, qtbot) -> None:
    window.on_main()
    window.show_lab(1)
    assert window.transport.main.text().strip() == "Train"
    qtbot.waitUntil(lambda: ended(lab), timeout=30_000)
    window.show_lab(RACE)
    assert [lane.filters.count for lane in lab.lanes[:3]] == [6, 6, 6]


def test_growing_curves_keep_their_names_and_the_place_that_is_read(qtbot) -> None:
    def curves(count: int) -> list[RunCurve]:
        x = np.arange(1.0, count + 1)
        return [RunCurve(name, "#0072b2", x, (place + 1) / x[:, None]) for place, name in names]

    names = list(enumerate(("ρ 0.1", "ρ 0.2")))
    shown = RunCurves()
    qtbot.addWidget(shown)
    shown.set_options(growing=True)
    shown.set_curves(curves(4), "cost")
    assert shown.values() == ["0.25", "0.5"]
    shown.read_at(2.0)
    shown.renew(curves(10))
    assert shown.values() == ["0.5", "1"]
    assert shown.place == 2.0
    shown.read_at(None)
    assert shown.values() == ["0.1", "0.2"]
    growing = len(shown._items)
    # When they have ended, each has what was smoothed behind it.
    shown.set_options(growing=False)
    assert len(shown._items) == 2 * growing


def test_networks_of_layers_race(window, qtbot) -> None:
    window.show_lab(RACE)
    panel = window.race
    choose(panel.form.network, "cnn")
    assert "The images are not there yet." in panel.form.error.text()
    qtbot.waitUntil(lambda: panel.ready and not window.runner.busy, timeout=60_000)
    lab = window.convnet_lab
    lab.take_spec(lab.spec.changed(layers="conv 4 5x5 stride 4 pad 0, relu", batch_size=500))
    panel.form.values.setText("1e-4, 1e-2")
    panel.form.epochs.setText("1")
    window.on_main()
    qtbot.waitUntil(lambda: ended(panel), timeout=120_000)
    assert [lane.filters.count for lane in panel.lanes[:2]] == [4, 4]
    assert "validation accuracy" in panel.lanes[0].figures.text()
    assert panel.lanes[0].place.text() in ("1st", "2nd")
    # Racers of one kind do not follow the judges of the other.
    choose(panel.form.network, "autoencoder")
    assert "validation accuracy" in panel.lanes[0].figures.text()


def test_closing_in_the_middle_of_a_race_keeps_every_run(lab, window, qtbot) -> None:
    endless(lab)
    window.on_main()
    qtbot.waitUntil(lambda: min(steps(lab), default=0) > 0, timeout=20_000)
    paths = [one.path for one in lab.session.contestants]
    window.close()
    assert not window.runner.busy
    assert {RunFolder.open(path).info.state for path in paths} == {"stopped"}
