"""The list of a network's layers: edited as text in its rows, with what each row makes of an image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QBrush, QFont, QKeyEvent
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QMenu,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.core.errors import FilterscopeError
from app.core.nn.description import describe_network
from app.core.nn.layer_info import LayerInfo, NetworkDescription
from app.core.specs.layer_list import format_layers, parse_layers
from app.core.specs.layers import LAYERS, Layer
from app.core.words import grouped
from app.ui.theme import theme
from app.ui.widgets.error_line import ErrorLine

__all__ = ["PATTERNS", "LayerList", "shape_text"]

# What the menu offers as a whole; the text is what is typed.
PATTERNS = {
    "conv – relu – pool": "conv 32 7x7, relu, pool 2, affine 500, relu",
    "[conv – relu – pool] × 3": "conv 16 5x5, relu, pool 2, [conv 32, relu, pool 2] x 2, affine 128, relu",
    "[conv – relu – conv – relu – pool] × 2": "[conv 32, relu, conv 32, relu, pool 2] x 2, affine 128, relu",
    "[norm – relu – conv] × 3": "conv 16, [batchnorm, relu, conv 32 stride 2] x 3, batchnorm, relu, global_avg_pool",
    "[conv – norm – relu – pool] × 3": "[conv 32, batchnorm, relu, pool 2] x 3, affine 128, relu",
    "residual blocks": (
        "conv 16, batchnorm, relu, "
        "[residual(conv 16, batchnorm, relu, conv 16, batchnorm), relu] x 2, pool 2, "
        "residual(conv 32, batchnorm, relu, conv 32, batchnorm), relu, global_avg_pool"
    ),
    "affine × 2": "affine 256, relu, affine 128, relu",
    "linear classifier": "affine 10",
}

ADDED = Qt.ItemDataRole.UserRole


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape as people write it, such as ``32 × 16 × 16``."""
    return " × ".join(map(str, shape))


def _short(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _count_text(count: int) -> str:
    """Return a count that fits a narrow column; the exact one is in its tooltip."""
    if count >= 1_000_000:
        return f"{count / 1e6:.2f} M"
    return grouped(count) if count else ""


class LayerList(QWidget):
    """Edits the text of a network's layers, row by row.

    Double-click or F2 changes a row as it would be typed; an impossible row says so and turns
    red, and nothing is known of what comes after it.

    Signals
    -------
    layers_changed(str)
        Another list, one that can be built.
    """

    layers_changed = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("layerList")
        self._shape: tuple[int, int, int] = (3, 32, 32)
        self._classes = 10
        self._rows: list[Layer] = []
        self._locked = False
        self.description: NetworkDescription | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.tree = QTreeWidget()
        self.tree.setObjectName("layerRows")
        self.tree.setAccessibleName("Layers, one a row; F2 edits, Delete removes")
        self.tree.setToolTip("Double-click a row to change it, as in conv 32 5x5 stride 2 pad 2")
        self.tree.setHeaderLabels(["layer", "gives", "sees", "weights"])
        self.tree.setRootIsDecorated(False)
        self.tree.setUniformRowHeights(True)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.tree.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        header = self.tree.header()
        assert header is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(30)
        # The room goes to what the layers are.
        header.setStyleSheet(
            "QHeaderView::section { padding: 3px 4px 3px 0px; }"
            "QHeaderView::section:first { padding-left: 4px; }"
        )
        titles = self.tree.headerItem()
        assert titles is not None
        for column in range(1, 4):
            titles.setTextAlignment(
                column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            )
        self.tree.itemChanged.connect(self._on_edited)
        layout.addWidget(self.tree, 1)
        self.problem = ErrorLine("layersProblem")
        layout.addWidget(self.problem)
        tools = QHBoxLayout()
        tools.setSpacing(2)
        self.add_button = self._menu_button(
            "addLayer", "+ layer", "Add a layer below the chosen row"
        )
        menu = self.add_button.menu()
        assert menu is not None
        for word, cls in LAYERS.items():
            action = menu.addAction(word)
            assert action is not None
            action.setToolTip(cls.teaches)
            action.triggered.connect(partial(self._add, word))
        self.pattern_button = self._menu_button(
            "layerPattern", "pattern ▾", "Replace the whole list"
        )
        menu = self.pattern_button.menu()
        assert menu is not None
        for title, text in PATTERNS.items():
            action = menu.addAction(title)
            assert action is not None
            action.setToolTip(text)
            action.triggered.connect(partial(self._replace, text))
        tools.addWidget(self.add_button)
        tools.addWidget(self.pattern_button)
        tools.addStretch(1)
        self._moves = [
            self._tool("layerUp", "↑", "Move the row up (Ctrl+Up)", partial(self._move, -1)),
            self._tool("layerDown", "↓", "Move the row down (Ctrl+Down)", partial(self._move, 1)),
            self._tool("layerRemove", "−", "Remove the row (Delete)", self._remove),
        ]
        for button in self._moves:
            tools.addWidget(button)
        layout.addLayout(tools)
        theme.changed.connect(self._show)

    def sizeHint(self) -> QSize:
        """Qt: room for the three-layer network."""
        return QSize(270, 230)

    def _menu_button(self, name: str, text: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName(name)
        button.setText(text)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setProperty("flat", True)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        menu.setToolTipsVisible(True)
        button.setMenu(menu)
        return button

    def _tool(self, name: str, text: str, tip: str, slot: Callable[[], None]) -> QToolButton:
        button = QToolButton()
        button.setObjectName(name)
        button.setText(text)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setProperty("flat", True)
        button.clicked.connect(lambda: slot())
        return button

    # --- what others say

    def set_input(self, shape: tuple[int, int, int], classes: int) -> None:
        """Say what images the network will see."""
        if (shape, classes) != (self._shape, self._classes):
            self._shape, self._classes = shape, classes
            self._show()

    def set_layers(self, text: str) -> None:
        """Show another list; nothing is emitted."""
        if self._rows and format_layers(self._rows) == text:
            self._show()
            return
        self._rows = list(parse_layers(text))
        self._show()

    def set_locked(self, locked: bool) -> None:
        """Lock the list while its network trains."""
        self._locked = locked
        for widget in (self.add_button, self.pattern_button, *self._moves):
            widget.setEnabled(not locked)
        self._show()

    # --- what the person does

    def _chosen(self) -> int | None:
        item = self.tree.currentItem()
        row = None if item is None else item.data(0, ADDED)
        return row if isinstance(row, int) and row < len(self._rows) else None

    def _add(self, word: str) -> None:
        chosen = self._chosen()
        place = len(self._rows) if chosen is None else chosen + 1
        if word == "residual":
            rows = parse_layers("residual(conv 16, relu, conv 16)")
        elif word == "affine" and place == len(self._rows):
            # Alone at the end it would stand for the scores, which have a size of their own.
            rows = parse_layers("affine 100, relu")
        else:
            rows = (LAYERS[word](),)
        self._try([*self._rows[:place], *rows, *self._rows[place:]], place)

    def _replace(self, text: str) -> None:
        self._try(list(parse_layers(text)), 0)

    def _remove(self) -> None:
        chosen = self._chosen()
        if chosen is not None and len(self._rows) == 1:
            self._say("One layer must stay. For a linear classifier take the pattern of that name.")
        elif chosen is not None:
            rows = [row for place, row in enumerate(self._rows) if place != chosen]
            self._try(rows, min(chosen, len(rows) - 1))

    def _move(self, by: int) -> None:
        chosen = self._chosen()
        if chosen is not None and 0 <= chosen + by < len(self._rows):
            rows = list(self._rows)
            rows[chosen], rows[chosen + by] = rows[chosen + by], rows[chosen]
            self._try(rows, chosen + by)

    def _on_edited(self, item: QTreeWidgetItem, column: int) -> None:
        place = item.data(0, ADDED)
        if column != 0 or not isinstance(place, int) or place >= len(self._rows):
            return
        if item.text(0) == self._rows[place].text:
            return
        try:
            typed = parse_layers(item.text(0))
        except FilterscopeError as error:
            self._say(str(error))
            self._show(keep_problem=True)
            return
        self._try([*self._rows[:place], *typed, *self._rows[place + 1 :]], place)

    def _try(self, rows: list[Layer], chosen: int) -> None:
        """Take a list; one that cannot be built is shown with its fault, and not told to others."""
        self._rows = rows
        self._show(chosen=chosen)
        assert self.description is not None
        if self.description.error is None:
            self.layers_changed.emit(format_layers(rows))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Qt: Delete removes a row, Ctrl with an arrow moves it."""
        assert event is not None
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if not self._locked and event.key() == Qt.Key.Key_Delete:
            self._remove()
        elif not self._locked and control and event.key() == Qt.Key.Key_Up:
            self._move(-1)
        elif not self._locked and control and event.key() == Qt.Key.Key_Down:
            self._move(1)
        else:
            super().keyPressEvent(event)

    # --- drawing

    def _say(self, problem: str) -> None:
        self.problem.say(problem)

    def _show(self, *, chosen: int | None = None, keep_problem: bool = False) -> None:
        if not self._rows:
            return
        if chosen is None:
            chosen = self._chosen()
        self.description = describe_network(self._rows, self._shape, self._classes)
        known = {layer.place: layer for layer in self.description.layers}
        self.tree.blockSignals(True)
        self.tree.clear()
        for place, row in enumerate(self._rows):
            self._add_item(place, row, known.get((place,)))
        added = known.get((len(self._rows),))
        if added is not None:
            self._add_item(len(self._rows), added.row, added)
        item = None if chosen is None else self.tree.topLevelItem(chosen)
        if item is not None:
            self.tree.setCurrentItem(item)
        self.tree.blockSignals(False)
        if not keep_problem:
            error = self.description.error
            self._say("" if error is None else error.message)

    def _add_item(self, place: int, row: Layer, layer: LayerInfo | None) -> None:
        item = QTreeWidgetItem([row.text])
        item.setData(0, ADDED, place)
        own = place < len(self._rows)
        if own and not self._locked:
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
        # In a narrow column its end may be dots.
        item.setToolTip(0, f"{row.text}\n{row.teaches}")
        small = QFont(self.font())
        small.setPixelSize(11)
        quiet, bad = QBrush(theme.colour("quiet")), QBrush(theme.colour("bad"))
        if layer is None:
            for column in range(4):
                item.setForeground(column, quiet)
        elif layer.error:
            item.setForeground(0, bad)
            item.setToolTip(0, layer.error)
        else:
            view = layer.receptive_field
            # Padding is no part of the image.
            view = min(view[0], self._shape[1]), min(view[1], self._shape[2])
            sees = f"{view[0]} × {view[1]}"
            for column, text in enumerate(
                (_short(layer.out_shape), _short(view), _count_text(layer.parameter_count)), start=1
            ):
                item.setText(column, text)
                item.setForeground(column, quiet)
                item.setFont(column, small)
                item.setTextAlignment(
                    column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                )
            item.setToolTip(1, f"One image becomes {shape_text(layer.out_shape)} numbers.")
            item.setToolTip(2, f"One number depends on {sees} pixels of the image.")
            item.setToolTip(
                3, ", ".join(f"{p.name} {shape_text(p.shape)}" for p in layer.parameters)
            )
            if layer.note:
                item.setToolTip(0, layer.note)
        if not own:
            item.setForeground(0, quiet)
            item.setToolTip(0, "Added: one score for each class.")
        self.tree.addTopLevelItem(item)
