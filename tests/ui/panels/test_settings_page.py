"""What the chosen runs were told, and where a value was left that was moved while one trained."""

from __future__ import annotations

from pathlib import Path

from pytestqt.qtbot import QtBot

from app.core.events import Change
from app.core.run_table import read_row, settings_that_differ
from app.core.specs import AutoencoderSpec
from app.ui.panels.runs.reading import Chosen, Recorded
from app.ui.panels.runs.settings_page import SettingsPage
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=5, batch_size=32, epochs=2)


def told(page: SettingsPage, *columns: int) -> dict[str, list[str]]:
    return {
        page.item(row, 0).text(): [page.item(row, column).text() for column in columns]
        for row in range(page.rowCount())
    }


def test_of_a_value_that_was_moved_it_is_told_where_it_was_left(
    qtbot: QtBot, tmp_path: Path
) -> None:
    file = write(tmp_path / "patches.npy", images())
    runs = [record(tmp_path, file, spec) for spec in (SPEC, SPEC.changed(rho=0.3))]
    histories = [run.read_history()[0] for run in runs]
    histories[0].changes.append((2, Change("beta", SPEC.beta, 2.5)))
    recorded = [
        Recorded(read_row(run), history) for run, history in zip(runs, histories, strict=True)
    ]
    page = SettingsPage()
    qtbot.addWidget(page)
    page.show_chosen(Chosen(recorded, settings_that_differ(runs)))
    assert told(page, 1, 2) == {
        "Target activation  ρ": [f"{SPEC.rho:g}", "0.3"],
        "Sparsity weight  β": [f"{SPEC.beta:g} → 2.5", f"{SPEC.beta:g}"],
    }
    page.show_chosen(Chosen(recorded[:1], settings_that_differ(runs[:1])))
    alone = told(page, 1)
    assert alone["Sparsity weight  β"] == [f"{SPEC.beta:g} → 2.5"]
    assert alone["Target activation  ρ"] == [f"{SPEC.rho:g}"]
    # The same settings, and yet what was moved in one of them is told.
    page.show_chosen(Chosen([recorded[0], recorded[0]], []))
    assert told(page, 1, 2) == {"Sparsity weight  β": [f"{SPEC.beta:g} → 2.5"] * 2}


def test_a_choice_is_said_as_the_form_says_it(qtbot: QtBot, tmp_path: Path) -> None:
    file = write(tmp_path / "patches.npy", images())
    engines = ("compiled", "reference")
    runs = [record(tmp_path, file, SPEC.changed(engine=engine)) for engine in engines]
    page = SettingsPage()
    qtbot.addWidget(page)
    recorded = [Recorded(read_row(run), run.read_history()[0]) for run in runs]
    page.show_chosen(Chosen(recorded, settings_that_differ(runs)))
    assert told(page, 1, 2) == {"Engine": ["compiled", "readable twins"]}
    assert [page.horizontalHeaderItem(column).text() for column in (1, 2)] == [
        run.name for run in runs
    ]
