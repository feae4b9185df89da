"""Colours, dark and light, from one table; everything that draws asks here."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

import pyqtgraph as pg
from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PyQt6.QtWidgets import QApplication

__all__ = ["DARK", "LIGHT", "Colours", "Theme", "theme"]


@dataclass(frozen=True)
class Colours:
    """The colours of one theme, as ``#rrggbb``."""

    name: str
    window: str  # behind the cards
    card: str
    field: str  # text boxes, buttons
    border: str
    text: str
    quiet: str  # labels that are not read first
    faint: str  # grid lines, slider grooves
    accent: str
    accent_text: str
    good: str
    warm: str  # the second curve colour
    bad: str
    hover: str


LIGHT = Colours(
    name="light",
    window="#f5f7f9",
    card="#ffffff",
    field="#ffffff",
    border="#e1e4e8",
    text="#161b22",
    quiet="#626b76",
    faint="#e1e5ea",
    accent="#2f6fed",
    accent_text="#ffffff",
    good="#1f8a5b",
    warm="#c9700f",
    bad="#c93a3a",
    hover="#eef2f7",
)

DARK = Colours(
    name="dark",
    window="#14181d",
    card="#1c2127",
    field="#171b20",
    border="#2a3038",
    text="#e8ebef",
    quiet="#939ca8",
    faint="#2b323b",
    accent="#6aa0ff",
    accent_text="#0d1524",
    good="#56c596",
    warm="#eba45c",
    bad="#f07b7b",
    hover="#262d36",
)

# Qt's own are dark pictures on any ground.
FILE_DIALOG_ICONS = ("back", "forward", "up", "new_folder", "tiles", "lines")

STYLE = Template("""
* { font-size: ${font_size}px; }
QMainWindow, QDialog, QWidget#window { background: $window; color: $text; }
QWidget { color: $text; }
QLabel { background: transparent; }
QFrame#card, QFrame#inset { background: $card; border: 1px solid $border; border-radius: 8px; }
QFrame#inset { border-radius: 6px; }
QLabel#cardTitle { font-weight: 600; }
QLabel[leads="ahead"], QLabel[leads="won"] {
    background: $accent; color: $accent_text; border-radius: 7px; padding: 0 7px;
}
QLabel[quiet="true"] { color: $quiet; font-size: ${small}px; }
QLabel[teaching="true"] { color: $quiet; font-size: ${small}px; }
QLabel[live="true"] { color: $good; font-size: ${small}px; }
QLabel[symbol="true"] { color: $accent; font-weight: 700; font-size: ${symbol}px; }
QLabel[error="true"] { color: $bad; font-size: ${small}px; }
QLabel[floating="true"] { background: $card; border: 1px solid $bad; border-radius: 4px; padding: 2px 5px; }
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
QLabel[heading="true"] { font-weight: 600; }
QMenuBar { background: $window; color: $quiet; padding: 0; }
QMenuBar::item { background: transparent; padding: 4px 9px; border-radius: 4px; }
QMenuBar::item:selected { background: $hover; color: $text; }
QMenu { background: $card; color: $text; border: 1px solid $border; padding: 4px; }
QMenu::item { padding: 5px 24px 5px 14px; border-radius: 4px; }
QMenu::item:selected { background: $hover; }
QMenu::item:disabled { color: $quiet; }
QMenu::separator { height: 1px; background: $border; margin: 4px 6px; }
QToolTip { background: $card; color: $text; border: 1px solid $border; padding: 5px; }
QPushButton, QToolButton { background: $card; color: $text; border: 1px solid $border; border-radius: 6px; padding: 5px 13px; }
QPushButton:hover, QToolButton:hover { background: $hover; }
QPushButton:pressed, QToolButton:pressed { background: $faint; }
QPushButton:focus, QToolButton:focus, QComboBox:focus, QLineEdit:focus { border: 1px solid $accent; }
QPushButton:disabled, QToolButton:disabled { color: $quiet; background: $window; }
QFileDialog QToolButton { padding: 3px; }
QFileDialog QTreeView { font-size: ${small}px; }
QFileDialog { backward-icon: url($back); forward-icon: url($forward); filedialog-parent-directory-icon: url($up); filedialog-new-directory-icon: url($new_folder); filedialog-listview-icon: url($tiles); filedialog-detailedview-icon: url($lines); }
QPushButton[primary="true"] { background: $accent; color: $accent_text; border: 1px solid $accent; font-weight: 600; }
QPushButton[primary="true"]:disabled { background: $faint; color: $quiet; border-color: $faint; }
QPushButton[primary="true"]:focus { border: 1px solid $text; }
QPushButton[tab="true"] { background: transparent; border: 1px solid transparent; color: $quiet; padding: 8px 17px; font-weight: 600; }
QPushButton[tab="true"]:hover { color: $text; }
QPushButton[tab="true"]:checked { background: $card; border: 1px solid $border; color: $text; }
QPushButton[tab="true"]:focus { border: 1px solid $accent; }
QToolButton[flat="true"], QPushButton[flat="true"] { background: transparent; border: 1px solid transparent; color: $quiet; padding: 1px 5px; font-size: ${small}px; border-radius: 4px; }
QToolButton[flat="true"]:hover, QPushButton[flat="true"]:hover { color: $text; background: $hover; }
QToolButton[flat="true"]:checked, QPushButton[flat="true"]:checked { color: $accent; }
QToolButton[flat="true"]:focus, QPushButton[flat="true"]:focus { border: 1px solid $accent; }
QToolButton[flat="true"]::menu-indicator { image: none; }
QPushButton[segment="true"] { background: transparent; border: none; color: $quiet; font-weight: 600; padding: 1px 0px; margin-right: 14px; text-align: left; }
QPushButton[segment="true"]:checked { color: $text; }
QPushButton[segment="true"]:hover { color: $text; }
QPushButton[segment="true"]:focus { color: $accent; }
QLineEdit, QComboBox, QPlainTextEdit { background: $field; color: $text; border: 1px solid $border; border-radius: 5px; padding: 3px 7px; selection-background-color: $accent; selection-color: $accent_text; }
QLineEdit[wrong="true"] { border: 1px solid $bad; }
QLineEdit:disabled, QComboBox:disabled { color: $quiet; background: $window; }
QComboBox { padding-right: 18px; }
QComboBox::drop-down { border: none; width: 18px; subcontrol-origin: padding; subcontrol-position: center right; }
QComboBox::down-arrow { image: url($arrow); width: 10px; height: 10px; }
QComboBox QAbstractItemView { background: $card; color: $text; border: 1px solid $border; selection-background-color: $hover; selection-color: $text; outline: none; }
QCheckBox { background: transparent; spacing: 8px; }
QCheckBox::indicator { width: 15px; height: 15px; border: 1px solid $quiet; border-radius: 4px; background: $field; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent; image: url($check); }
QCheckBox::indicator:disabled { border-color: $border; }
QCheckBox:focus { color: $accent; }
QSlider { background: transparent; min-height: 18px; }
QSlider::groove:horizontal { height: 4px; background: $faint; border-radius: 2px; }
QSlider::sub-page:horizontal { height: 4px; background: $accent; border-radius: 2px; }
QSlider::handle:horizontal { width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; background: $accent; }
QSlider::handle:horizontal:focus { background: $text; }
QSlider::sub-page:horizontal:disabled, QSlider::handle:horizontal:disabled { background: $quiet; }
QProgressBar { background: $faint; border: none; border-radius: 3px; max-height: 14px; min-height: 14px; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }
QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; border: none; }
QAbstractScrollArea::corner { background: transparent; border: none; }
QScrollBar:vertical { background: transparent; width: 9px; margin: 0; }
QScrollBar::handle:vertical { background: $faint; border-radius: 4px; min-height: 30px; }
QScrollBar::handle:vertical:hover { background: $quiet; }
QScrollBar::add-line, QScrollBar::sub-line { height: 0; width: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QScrollBar:horizontal { background: transparent; height: 9px; }
QScrollBar::handle:horizontal { background: $faint; border-radius: 4px; min-width: 30px; }
QSplitter::handle { background: transparent; }
QTableView, QTreeView#runTable { background: $field; border: 1px solid $border; border-radius: 6px; outline: none; selection-background-color: $hover; selection-color: $text; }
QTreeView#runTable::item { border: none; padding: 1px 2px; }
QTreeView#runTable::item:selected { background: $hover; color: $text; }
QTreeView#runTable::item:hover { background: $hover; }
QTreeWidget, QListWidget { background: $field; border: 1px solid $border; border-radius: 6px; outline: none; }
QTreeWidget::item { padding: 2px 3px; border: none; }
QTreeWidget::item:selected { background: $hover; color: $text; }
QTreeWidget::item:hover { background: $hover; }
QHeaderView { background: transparent; border: none; }
QHeaderView::section { background: $field; color: $quiet; border: none; border-bottom: 1px solid $border; padding: 3px 4px; font-size: ${small}px; }
QFrame#notice { background: $card; border: 1px solid $border; border-left: 4px solid $accent; border-radius: 6px; }
QFrame#notice[kind="problem"] { border-left: 4px solid $bad; }
QFrame#notice[kind="warning"] { border-left: 4px solid $warm; }
QFrame#notice[kind="good"] { border-left: 4px solid $good; }
QFrame#overlay { background: $card; border: 2px dashed $accent; border-radius: 10px; }
""")


class Theme(QObject):
    """Which colours are in force, and who wants to know when they change."""

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.colours = LIGHT
        self.choice = "system"

    def choose(self, choice: str) -> None:
        """Use ``dark``, ``light`` or the ``system``'s colours from now on."""
        self.choice = choice
        hints = QGuiApplication.styleHints()
        if choice == "system" and hints is not None:
            dark = hints.colorScheme() == Qt.ColorScheme.Dark
        else:
            dark = choice == "dark"
        self.colours = DARK if dark else LIGHT
        application = QApplication.instance()
        if isinstance(application, QApplication):
            self._dress(application)
        self.changed.emit()

    def follow_system(self) -> None:
        """Take the system's new colours, unless a theme was chosen."""
        if self.choice == "system":
            self.choose("system")

    def colour(self, name: str) -> QColor:
        """Return the colour called `name`."""
        return QColor(getattr(self.colours, name))

    def _dress(self, application: QApplication) -> None:
        from app.ui.icons import icon_file

        c = self.colours
        palette = QPalette()
        for role, name in (
            (QPalette.ColorRole.Window, c.window),
            (QPalette.ColorRole.WindowText, c.text),
            (QPalette.ColorRole.Base, c.field),
            (QPalette.ColorRole.AlternateBase, c.card),
            (QPalette.ColorRole.Text, c.text),
            (QPalette.ColorRole.Button, c.card),
            (QPalette.ColorRole.ButtonText, c.text),
            (QPalette.ColorRole.ToolTipBase, c.card),
            (QPalette.ColorRole.ToolTipText, c.text),
            (QPalette.ColorRole.PlaceholderText, c.quiet),
            (QPalette.ColorRole.Highlight, c.accent),
            (QPalette.ColorRole.HighlightedText, c.accent_text),
            (QPalette.ColorRole.Link, c.accent),
        ):
            palette.setColor(role, QColor(name))
        application.setPalette(palette)
        application.setStyleSheet(
            STYLE.substitute(
                vars(c),
                font_size=13,
                small=12,
                symbol=15,
                arrow=icon_file("arrow", c.quiet),
                check=icon_file("check", c.accent_text),
                **{name: icon_file(name, c.text) for name in FILE_DIALOG_ICONS},
            )
        )
        pg.setConfigOptions(background=c.card, foreground=c.quiet, antialias=True)


theme = Theme()


def monospace() -> QFont:
    """Return the font for code and aligned numbers."""
    font = QFont("DejaVu Sans Mono")
    font.setStyleHint(QFont.StyleHint.Monospace)
    return font
