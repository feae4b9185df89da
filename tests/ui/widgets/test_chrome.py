"""Cards, notices, the transport bar, the drop overlay and formulas."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.core.errors import UsageError
from app.ui.training_session import State
from app.ui.widgets.card import Card, ChoiceButton, TabbedCard, ToggleButton, elided_label
from app.ui.widgets.drop_overlay import DropOverlay
from app.ui.widgets.error_line import ErrorLine
from app.ui.widgets.formula import FormulaLabel
from app.ui.widgets.notice_bar import MARGIN, NoticeBar
from app.ui.widgets.progress_line import ProgressLine
from app.ui.widgets.scrub_bar import ScrubBar
from app.ui.widgets.splitters import one_below_another, side_by_side
from app.ui.widgets.transport import Transport


def test_a_card_turns_its_pages(qtbot: QtBot) -> None:
    card = TabbedCard(["One", "Two"], "test")
    qtbot.addWidget(card)
    pages = [QLabel("1"), QLabel("2")]
    for page in pages:
        card.add_page(page)
    turned = []
    card.on_page_changed(turned.append)
    card.show()
    assert card.page == 0
    qtbot.mouseClick(card.tabs[1], Qt.MouseButton.LeftButton)
    assert card.page == 1
    assert pages[1].isVisible()
    card.show_page(0)
    assert turned == [1, 0]
    assert card.tabs[0].isChecked()


def test_a_choice_is_shown_and_told_once(qtbot: QtBot) -> None:
    heard: list[str] = []
    choice = ChoiceButton("test", "How", {"a": "first", "b": "second"}, heard.append)
    qtbot.addWidget(choice)
    assert choice.text().startswith("first")
    choice.menu().actions()[1].trigger()
    assert choice.value == "b"
    assert heard == ["b"]
    choice.set_value("a")
    assert heard == ["b"]
    assert choice.text().startswith("first")


def test_a_toggle_tells_its_state(qtbot: QtBot) -> None:
    heard: list[bool] = []
    toggle = ToggleButton("test", "log x", "Logarithmic", heard.append)
    qtbot.addWidget(toggle)
    toggle.click()
    toggle.click()
    assert heard == [True, False]


def test_a_card_has_its_title(qtbot: QtBot) -> None:
    card = Card("Cost", "cost")
    qtbot.addWidget(card)
    assert card.title.text() == "Cost"
    assert card.accessibleName() == "Cost"


def test_a_note_says_what_its_figures_mean(qtbot: QtBot) -> None:
    card = Card("Cost", "cost")
    qtbot.addWidget(card)
    card.note.setText("3 dead")
    card.note.setProperty("meaning", "Dead: it does nothing.")
    card.resize(400, 100)
    card.grab()
    assert card.note.toolTip() == "Dead: it does nothing."
    card.note.setText("3 dead " * 50)
    card.grab()
    assert card.note.toolTip() == f"{'3 dead ' * 50}\nDead: it does nothing."


def test_a_note_without_room_is_written_short(qtbot: QtBot) -> None:
    card = Card("Cost", "cost")
    qtbot.addWidget(card)
    card.resize(200, 60)
    pictures = []
    for text, short in (("7 " * 100, "7"), ("7", "")):
        card.note.setText(text)
        card.note.setProperty("short", short)
        pictures.append(card.grab().toImage())
    assert pictures[0] == pictures[1]


def test_parts_of_a_line_that_do_not_fit_are_left_out_as_a_whole(qtbot: QtBot) -> None:
    label = elided_label("test")
    qtbot.addWidget(label)
    label.setText("shapes   9 000 / 1 000   ·   32 × 32 RGB")

    def written(text: str) -> str:
        label.resize(label.fontMetrics().horizontalAdvance(text) + 1, 20)
        return label.written()

    assert written(label.text()) == label.text()
    assert written(label.text()[:-1]) == "shapes   9 000 / 1 000 …"
    assert written("shapes   9 000") == "shapes …"
    assert written("shapes") == "shap…"
    assert written("sh…") == ""
    label.setProperty("whole", True)
    assert written(label.text()) == label.text()
    assert written(label.text()[:-1]) == ""


def test_a_button_may_say_less_than_its_menu(qtbot: QtBot) -> None:
    choice = ChoiceButton("test", "How", {"a": "a long word", "b": "b"}, print, {"a": "long"})
    qtbot.addWidget(choice)
    assert choice.text() == "long ▾"
    assert [action.text() for action in choice.menu().actions()] == ["a long word", "b"]
    choice.set_value("b")
    assert choice.text() == "b ▾"


@pytest.fixture
def notice(qtbot: QtBot) -> NoticeBar:
    bar = NoticeBar()
    qtbot.addWidget(bar)
    return bar


def test_a_notice_never_reads_markup(notice: NoticeBar) -> None:
    notice.tell("problem", "<b>bold</b>.h5 is cut short.", "<img src=x>")
    assert notice.message.textFormat() == Qt.TextFormat.PlainText
    assert notice.hint.textFormat() == Qt.TextFormat.PlainText
    assert notice.message.text() == "<b>bold</b>.h5 is cut short."
    assert notice.isVisibleTo(notice.parentWidget())


def test_the_newest_notice_wins_and_can_be_dismissed(qtbot: QtBot, notice: NoticeBar) -> None:
    notice.tell("problem", "Old", "hint", "report")
    notice.tell("good", "New")
    assert notice.message.text() == "New"
    assert notice.hint.isHidden()
    assert notice.copy.isHidden()
    assert notice.property("kind") == "good"
    qtbot.mouseClick(notice.dismiss, Qt.MouseButton.LeftButton)
    assert notice.isHidden()


def test_a_report_is_copied(qtbot: QtBot, notice: NoticeBar) -> None:
    notice.tell("problem", "A fault.", "", "Traceback: boom")
    qtbot.mouseClick(notice.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "A fault.\nTraceback: boom"


def test_a_notice_floats_over_the_page_and_moves_nothing(qtbot: QtBot) -> None:
    window, page, bar = QWidget(), QWidget(), NoticeBar()
    qtbot.addWidget(window)
    QVBoxLayout(window).addWidget(page)
    bar.float_over(page)
    window.resize(600, 400)
    window.show()
    before = page.geometry()
    bar.tell("problem", "A long message, " * 20, "and a hint")
    assert page.geometry() == before
    assert page.geometry().contains(bar.geometry())
    assert bar.height() >= bar.heightForWidth(bar.width())
    # What is at the head of a page, titles and buttons, stays in reach.
    assert page.geometry().bottom() - bar.geometry().bottom() <= 2 * MARGIN
    assert bar.geometry().top() > page.geometry().top() + 60
    window.resize(400, 300)
    qtbot.waitUntil(lambda: page.geometry().contains(bar.geometry()))


def test_a_notice_leaves_the_scrub_bar_in_reach(qtbot: QtBot) -> None:
    window, page, bar = QWidget(), QWidget(), NoticeBar()
    qtbot.addWidget(window)
    QVBoxLayout(window).addWidget(page)
    inside = QVBoxLayout(page)
    inside.addStretch(1)
    scrub = ScrubBar("one")
    inside.addWidget(scrub)
    bar.float_over(page)
    window.resize(700, 400)
    window.show()
    scrub.show()
    qtbot.waitUntil(lambda: scrub.height() > 10)
    bar.tell("problem", "A message", "and a hint")
    top = scrub.mapTo(window, scrub.rect().topLeft()).y()
    assert bar.geometry().bottom() <= top


def test_a_notice_makes_way_for_a_scrub_bar_that_comes_later(qtbot: QtBot) -> None:
    window, page, bar = QWidget(), QWidget(), NoticeBar()
    qtbot.addWidget(window)
    QVBoxLayout(window).addWidget(page)
    inside = QVBoxLayout(page)
    inside.addStretch(1)
    scrub = ScrubBar("one")
    inside.addWidget(scrub)
    bar.float_over(page)
    window.resize(700, 400)
    window.show()
    bar.tell("problem", "A message", "and a hint")
    low = bar.geometry().bottom()
    scrub.show()
    qtbot.waitUntil(lambda: bar.geometry().bottom() < low)
    assert bar.geometry().bottom() <= scrub.mapTo(window, scrub.rect().topLeft()).y()
    scrub.hide()
    qtbot.waitUntil(lambda: bar.geometry().bottom() == low)


@pytest.mark.parametrize(
    ("kind", "report", "fades"),
    [
        ("plain", "", True),
        ("good", "", True),
        ("warning", "", False),
        ("problem", "", False),
        ("plain", "with a button", False),
    ],
)
def test_what_asks_for_nothing_fades(
    qtbot: QtBot, notice: NoticeBar, kind: str, report: str, fades: bool
) -> None:
    notice.tell("plain", "Before")
    notice.tell(kind, "Now", "", report)
    if notice._fade.isActive():
        notice._fade.start(0)
        qtbot.waitUntil(lambda: not notice._fade.isActive())
    assert notice.isHidden() == fades


@pytest.fixture
def transport(qtbot: QtBot) -> Transport:
    bar = Transport()
    qtbot.addWidget(bar)
    return bar


@pytest.mark.parametrize(
    ("state", "ready", "goes_on", "text", "usable"),
    [
        (State.IDLE, False, False, "Train", "reset no, main no, step no, stop no"),
        (State.IDLE, True, False, "Train", "reset yes, main yes, step yes, stop no"),
        (State.STARTING, True, False, "Pause", "reset yes, main yes, step no, stop yes"),
        (State.RUNNING, True, False, "Pause", "reset yes, main yes, step yes, stop yes"),
        (State.PAUSED, True, False, "Resume", "reset yes, main yes, step yes, stop yes"),
        (State.STOPPING, True, False, "Stopping…", "reset no, main no, step no, stop no"),
        (State.ENDED, True, True, "Continue", "reset yes, main yes, step yes, stop no"),
        (State.ENDED, True, False, "Train", "reset yes, main yes, step yes, stop no"),
        (State.FAILED, True, False, "Train", "reset yes, main yes, step yes, stop no"),
    ],
)
def test_what_can_be_done_in_each_state(
    transport: Transport, state: State, ready: bool, goes_on: bool, text: str, usable: str
) -> None:
    transport.show_state(state, ready=ready, goes_on=goes_on)
    assert transport.main.text().strip() == text
    assert transport.main.accessibleName() == text
    for word in usable.split(", "):
        name, yes = word.split()
        button = getattr(transport, name)
        assert isinstance(button, QPushButton)
        assert button.isEnabled() == (yes == "yes"), word


def test_progress_is_a_share(transport: Transport) -> None:
    for share, value in ((0.0, 0), (0.5, 500), (1.0, 1000), (3.0, 1000), (-1.0, 0)):
        transport.show_progress(share, "text")
        assert transport.progress.value() == value


def test_the_overlay_covers_its_parent(qtbot: QtBot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.resize(300, 200)
    overlay = DropOverlay(parent, parent)
    parent.show()
    assert not overlay.isVisible()
    overlay._cover()
    assert overlay.isVisible()
    assert overlay.geometry().center() == parent.rect().center()


def test_the_hat_stands_over_its_letter(qtbot: QtBot) -> None:
    """A hat widens nothing: both lines are as wide as without it."""
    with_hat, without = FormulaLabel("a", "ρ̂ = 0.05"), FormulaLabel("b", "ρ = 0.05")
    pictures = []
    for label in (with_hat, without):
        qtbot.addWidget(label)
        label.resize(120, 20)
        picture = label.grab().toImage()
        columns = [
            any(picture.pixel(x, y) != picture.pixel(119, 19) for y in range(4, 20))
            for x in range(120)
        ]
        pictures.append(max(x for x, inked in enumerate(columns) if inked))
    assert abs(pictures[0] - pictures[1]) <= 1
    assert with_hat.accessibleName() == "ρ̂ = 0.05"


def test_a_formula_that_is_too_long_ends_in_dots(qtbot: QtBot) -> None:
    label = FormulaLabel("a", "J = " + "x + " * 100)
    qtbot.addWidget(label)
    label.resize(100, 20)
    assert not label.grab().isNull()
    assert label.sizeHint().height() < 30


def test_an_error_is_not_read_as_markup_and_takes_no_room_when_all_is_well(qtbot: QtBot) -> None:
    line = ErrorLine("test")
    qtbot.addWidget(line)
    assert line.isHidden()
    line.tell(UsageError("<b>x</b> is no number.", "Type one."))
    assert not line.isHidden()
    assert line.text() == "<b>x</b> is no number. Type one."
    assert line.textFormat() is Qt.TextFormat.PlainText
    line.tell(None)
    assert line.isHidden()


@pytest.mark.parametrize(("share", "value"), [(0.25, 250), (-1.0, 0), (7.0, 1000)])
def test_a_share_is_shown_as_far_as_there_is_one(qtbot: QtBot, share: float, value: int) -> None:
    line = ProgressLine("test", "Progress")
    qtbot.addWidget(line)
    line.set_share(share)
    assert line.value() == value
    assert line.maximum() == 1000


def test_parts_of_a_page_stand_at_their_shares(qtbot: QtBot) -> None:
    left, right, foot = QWidget(), QWidget(), QWidget()
    beside = side_by_side({left: 100, right: 300}, "test")
    whole = one_below_another({beside: 200, foot: 200}, stretch=(1, 0))
    qtbot.addWidget(whole)
    whole.resize(400, 410)
    whole.show()
    assert beside.objectName() == "test"
    assert left.width() * 2 < right.width()
    assert abs(beside.height() - foot.height()) <= 2
    # More room is for the part that may take it.
    before = foot.height()
    whole.resize(400, 610)
    assert foot.height() == before
