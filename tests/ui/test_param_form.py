"""Sliders and exact boxes mean the same number in every locale, or refuse it where it can be seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PyQt6.QtCore import QLocale, QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QApplication, QCheckBox, QComboBox, QLabel, QSlider
from pytestqt.qtbot import QtBot

from app.core.params import describe
from app.core.specs import AutoencoderSpec, ConvNetSpec, PreprocessSpec, TrainingSpec
from app.ui.param_form import ParamForm
from app.ui.theme import theme
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.number_field import NumberField

SLIDERS = ("rho", "beta", "lam", "learning_rate", "momentum", "hidden_units")


@pytest.fixture(params=["de_DE", "C", "en_US"])
def locale(request: pytest.FixtureRequest) -> Iterator[QLocale]:
    before = QLocale()
    chosen = QLocale.c() if request.param == "C" else QLocale(request.param)
    QLocale.setDefault(chosen)
    yield chosen
    QLocale.setDefault(before)


@pytest.fixture
def form(qtbot: QtBot) -> ParamForm:
    form = ParamForm(AutoencoderSpec(), SLIDERS)
    qtbot.addWidget(form)
    form.show()
    return form


def box(form: ParamForm, name: str) -> NumberField:
    found = form.findChild(NumberField, name)
    assert found is not None
    return found


def error(form: ParamForm, name: str) -> QLabel:
    found = form.findChild(QLabel, f"{name}Error")
    assert found is not None
    return found


def slider(form: ParamForm, name: str) -> QSlider:
    found = form.findChild(QSlider, f"{name}Slider")
    assert found is not None
    return found


def type_into(qtbot: QtBot, field: NumberField, text: str) -> None:
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("0.5", 0.5),
        ("0,5", 0.5),
        (".5", 0.5),
        ("5e-1", 0.5),
        ("1e-3", 0.001),
        ("0.125", 0.125),
        ("0,125", 0.125),
    ],
)
def test_a_decimal_mark_means_the_same_everywhere(
    qtbot: QtBot, locale: QLocale, form: ParamForm, typed: str, value: float
) -> None:
    type_into(qtbot, box(form, "rho"), typed)
    assert form.spec.rho == value
    assert not error(form, "rho").isVisible()


@pytest.mark.parametrize(
    "typed",
    ["1.000", "1,000", "1.000,5", "1,000.5", "1'000", "0x1", "1_0", "nan", "inf", "much", ""],
)
def test_what_could_mean_two_numbers_or_none_is_refused_visibly(
    qtbot: QtBot, locale: QLocale, form: ParamForm, typed: str
) -> None:
    field = box(form, "beta")
    field.selectAll()
    qtbot.keyClick(field, Qt.Key.Key_Backspace)
    type_into(qtbot, field, typed)
    assert form.spec.beta == 0.5
    assert field.property("wrong")
    assert error(form, "beta").isVisible()
    assert error(form, "beta").text()


def test_numbers_are_written_the_same_in_every_locale(locale: QLocale, form: ParamForm) -> None:
    assert box(form, "rho").text() == "0.05"
    assert box(form, "lam").text() == "1e-4"
    assert box(form, "learning_rate").text() == "0.006"


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("lam", "5", 5.0),
        ("beta", "1000", 1000.0),
        ("rho", "0.99", 0.99),
        ("hidden_units", "900", 900),
        ("lam", "0", 0.0),
    ],
)
def test_values_beyond_the_slider_but_within_the_bounds_are_taken(
    qtbot: QtBot, form: ParamForm, name: str, typed: str, value: float
) -> None:
    with qtbot.waitSignal(form.changed) as changed:
        type_into(qtbot, box(form, name), typed)
    assert getattr(changed.args[0], name) == value
    assert slider(form, name).value() in (
        slider(form, name).minimum(),
        slider(form, name).maximum(),
    )
    assert getattr(form.spec, name) == value, "the slider must not pull the value back to its end"


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("rho", "0"),
        ("rho", "1"),
        ("rho", "-0.1"),
        ("beta", "-1"),
        ("hidden_units", "0"),
        ("hidden_units", "2.5"),
        ("epochs", "1e9"),
        ("seed", "-1"),
    ],
)
def test_values_outside_the_bounds_are_refused_and_the_last_stays(
    qtbot: QtBot, form: ParamForm, name: str, typed: str
) -> None:
    before = getattr(form.spec, name)
    with qtbot.assertNotEmitted(form.changed):
        type_into(qtbot, box(form, name), typed)
    assert getattr(form.spec, name) == before
    assert error(form, name).isVisible()
    assert box(form, name).property("wrong")


def test_a_refusal_goes_away_when_it_is_mended(qtbot: QtBot, form: ParamForm) -> None:
    field = box(form, "rho")
    type_into(qtbot, field, "2")
    assert error(form, "rho").isVisible()
    type_into(qtbot, field, "0.2")
    assert not error(form, "rho").isVisible()
    assert not field.property("wrong")
    assert form.spec.rho == 0.2


def test_typing_the_value_that_is_in_force_takes_a_refusal_back(
    qtbot: QtBot, form: ParamForm
) -> None:
    field = box(form, "rho")
    type_into(qtbot, field, "2")
    type_into(qtbot, field, "0.05")
    assert not error(form, "rho").isVisible()
    assert form.spec.rho == 0.05


def test_a_slider_moves_the_box_and_tells_the_value(qtbot: QtBot, form: ParamForm) -> None:
    with qtbot.waitSignal(form.changed) as changed:
        slider(form, "rho").setValue(slider(form, "rho").maximum())
    assert changed.args[0].rho == 0.9
    assert box(form, "rho").text() == "0.9"


def test_every_place_of_a_slider_is_a_value_that_is_taken(form: ParamForm) -> None:
    for name in SLIDERS:
        for position in range(0, 1001, 50):
            slider(form, name).setValue(position)
            assert not error(form, name).text()


def test_a_click_on_the_groove_puts_the_handle_there(qtbot: QtBot, form: ParamForm) -> None:
    form.resize(300, 900)
    groove = slider(form, "rho")
    qtbot.mouseClick(groove, Qt.MouseButton.LeftButton, pos=groove.rect().center())
    assert abs(groove.value() - 500) < 40


def test_scrolling_the_page_changes_nothing(qtbot: QtBot, form: ParamForm) -> None:
    for widget in (slider(form, "rho"), form.findChild(QComboBox, "solver")):
        centre = QPointF(widget.rect().center())
        event = QWheelEvent(
            centre,
            widget.mapToGlobal(centre),
            QPoint(0, -120),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(widget, event)
    assert form.spec == AutoencoderSpec()


def test_choices_and_switches(qtbot: QtBot, form: ParamForm) -> None:
    solver = form.findChild(QComboBox, "solver")
    assert solver is not None
    solver.setCurrentIndex(solver.findData("lbfgs"))
    assert form.spec.solver == "lbfgs"
    other = ParamForm(PreprocessSpec(), ("epsilon", "deviations"))
    qtbot.addWidget(other)
    other.findChild(QCheckBox, "grayscale").click()
    assert other.spec.grayscale is False


@pytest.mark.parametrize("spec", [AutoencoderSpec(), ConvNetSpec()])
def test_every_choice_can_be_read(qtbot: QtBot, spec: TrainingSpec) -> None:
    theme.choose("dark")
    form = ParamForm(spec, hidden=("layers",))
    qtbot.addWidget(form)
    form.resize(313, 900)  # as wide as in the window
    form.show()
    for box in form.findChildren(ChoiceBox):
        box.blockSignals(True)
        for number in range(box.count()):
            box.setCurrentIndex(number)
            assert box.shown_text() == box.itemText(number)
    # Where there is less room, choices become narrower, and nothing is beyond the edge.
    assert form.minimumSizeHint().width() <= 285


def test_only_what_may_move_is_free_while_it_trains(form: ParamForm) -> None:
    form.set_locked(True)
    for parameter in describe(AutoencoderSpec):
        row = form.rows[parameter.name]
        assert row.isEnabled() == parameter.hyper.live, parameter.name
    assert "locked while training" in form.rows["hidden_units"].teaching.text()
    form.set_locked(False)
    assert all(row.isEnabled() for row in form.rows.values())


def test_it_tells_where_the_person_is(qtbot: QtBot, form: ParamForm) -> None:
    qtbot.waitExposed(form)
    form.activateWindow()
    with qtbot.waitSignal(form.focused) as focused:
        box(form, "lam").setFocus(Qt.FocusReason.OtherFocusReason)
    assert focused.args == ["lam"]


def test_showing_other_values_tells_nobody(qtbot: QtBot, form: ParamForm) -> None:
    with qtbot.assertNotEmitted(form.changed):
        form.set_spec(AutoencoderSpec(rho=0.7, solver="sgd", seed=4))
    assert box(form, "rho").text() == "0.7"
    assert form.findChild(QComboBox, "solver").currentData() == "sgd"


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("epochs", "abc", "“abc” is not a number. Write it like 20."),
        ("epochs", "2.5", "A whole number is needed here. Write it like 20."),
        ("rho", "abc", "“abc” is not a number. Write it like 0.05 or 1e-3."),
        ("rho", "1.5", "ρ = 1.5 is out of range: 0 < ρ < 1."),
        ("epochs", "0", "Epochs = 0 is out of range: 1 ≤ Epochs ≤ 1e+06."),
    ],
)
def test_errors_are_in_the_words_of_the_form_and_move_nothing(
    qtbot: QtBot, form: ParamForm, name: str, typed: str, said: str
) -> None:
    places = [row.geometry() for row in form.rows.values()]
    type_into(qtbot, box(form, name), typed)
    assert error(form, name).isVisible()
    assert error(form, name).text() == said
    assert form.rect().contains(error(form, name).geometry())
    QApplication.processEvents()
    assert [row.geometry() for row in form.rows.values()] == places


def test_a_number_with_many_digits_begins_at_its_beginning(qtbot: QtBot, form: ParamForm) -> None:
    field = box(form, "rho")
    form.set_spec(AutoencoderSpec(rho=0.999999999, learning_rate=1.2345678e-7))
    field.clearFocus()
    assert field.text().startswith("0.99")
    assert field.text().endswith("…")
    assert field.fontMetrics().horizontalAdvance(field.text()) < field.width()
    assert box(form, "learning_rate").text().startswith("1.")
    assert box(form, "learning_rate").text().endswith("…e-7")
    with qtbot.assertNotEmitted(form.changed):
        field.setFocus()
        assert field.text() == "0.999999999"
        field.clearFocus()
    form.set_spec(AutoencoderSpec(learning_rate=1e9))
    assert box(form, "learning_rate").text() == "1e9"


def test_the_right_button_leads_back_to_defaults(qtbot: QtBot, form: ParamForm) -> None:
    form.set_spec(AutoencoderSpec(rho=0.3, epochs=7, solver="sgd", hidden_units=9))
    one, _ = form.rows["rho"].menu().actions()
    assert one.text() == "Target activation: back to 0.05"
    one.trigger()
    assert (form.spec.rho, form.spec.epochs) == (0.05, 7)
    assert slider(form, "rho").value() == form.rows["rho"].parameter.to_position(0.05)
    form.set_locked(True)
    form.rows["rho"].menu().actions()[1].trigger()
    assert form.spec.hidden_units == 9, "what is locked stays"
    form.set_locked(False)
    with qtbot.waitSignal(form.changed):
        form.rows["rho"].menu().actions()[1].trigger()
    assert form.spec == AutoencoderSpec()
