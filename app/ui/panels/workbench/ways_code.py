"""A network as code: at PyTorch's three levels beside each other, or layer by layer."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.core.checks.topics import Topic
from app.core.errors import FilterscopeError
from app.core.network_code import LEVELS, TITLES, CodeLevel, kernel_names, network_code
from app.core.nn.ways import WAYS
from app.core.source_code import Excerpt, Line
from app.core.specs import ConvNetSpec
from app.ui.panels.workbench.code_card import CodeCard
from app.ui.widgets.card import Card
from app.ui.widgets.code_view import CodeView
from app.ui.widgets.splitters import side_by_side

__all__ = ["WaysCode"]


class _LevelColumn(QWidget):
    """The network's code at one of PyTorch's levels."""

    def __init__(self, level: CodeLevel) -> None:
        super().__init__()
        self.level = level
        title = QLabel(TITLES[level])
        title.setProperty("heading", True)
        self.copy = QToolButton()
        self.copy.setObjectName(f"waysCopy_{level}")
        self.copy.setText("copy")
        self.copy.setAccessibleName(f"Copy the code with {TITLES[level]}")
        self.copy.setToolTip("Copy what is selected, or else the whole program")
        self.copy.setProperty("flat", True)
        self.view = CodeView(f"waysCode_{level}")
        self.view.setAccessibleName(f"The network with {TITLES[level]}")
        self.copy.clicked.connect(self.view.copy_all)
        head = QHBoxLayout()
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(self.copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.view, 1)
        self.setMinimumWidth(120)

    def show_code(self, code: str, problem: str) -> None:
        """Show the program, or why there is none."""
        lines = tuple(Line(place, text) for place, text in enumerate(code.splitlines(), 1))
        excerpt = Excerpt(f"{self.level}.py", "python", lines)
        self.view.set_code((excerpt,) if lines else (), problem)


class WaysCode(QStackedWidget):
    """Two pages: the network in PyTorch, and its layers as loops or compiled.

    Signals
    -------
    back_wanted()
        The person is at the layers and wants to see the network in PyTorch.

    Attributes
    ----------
    code : dict
        The network as a program, by level; empty where it cannot be built.
    """

    back_wanted = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.code: dict[CodeLevel, str] = {}
        self.columns = {level: _LevelColumn(level) for level in LEVELS}
        beside = side_by_side(dict.fromkeys(self.columns.values(), 300), "waysLevels", gap=13)
        levels = Card("The same network in PyTorch", "waysLevels")
        levels.body.addWidget(beside, 1)
        self.layer_code = CodeCard("waysLayers")
        back = QToolButton()
        back.setObjectName("waysBack")
        back.setText("PyTorch")
        back.setAccessibleName("Back to the network in PyTorch")
        back.setToolTip("Show the network at PyTorch’s three levels again")
        back.setProperty("flat", True)
        back.clicked.connect(lambda _: self.back_wanted.emit())
        self.layer_code.add_tool(back)
        self.addWidget(levels)
        self.addWidget(self.layer_code)

    def show_way(self, way: str) -> None:
        """Turn to the code of one of the ways."""
        if way in LEVELS:
            self.setCurrentIndex(0)
        else:
            self.setCurrentIndex(1)
            self.layer_code.show_page(WAYS.index(way))

    def write(self, spec: ConvNetSpec, shape: tuple[int, int, int], classes: int) -> None:
        """Write the code of a network for images of `shape` (C, H, W) of so many classes."""
        problem, layers = "", tuple[str, ...]()
        try:
            self.code = {level: network_code(level, spec, shape, classes) for level in LEVELS}
            layers = kernel_names(spec, shape, classes)
        except FilterscopeError as error:
            self.code, problem = {}, error.message
        for level, column in self.columns.items():
            column.show_code(self.code.get(level, ""), problem)
        loop = ("app.core.nn.network.Network.loss",)
        self.layer_code.set_topic(Topic("ways", "", "", layers, code=loop))
