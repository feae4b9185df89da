"""The code of a layer: forward or backward, readable twin or what runs compiled."""

from __future__ import annotations

from PyQt6.QtWidgets import QComboBox, QToolButton

from app.core.checks.topics import Topic
from app.core.kernels import reference
from app.core.source_code import Excerpt, code_of, compiled_code, twin_code, why_not_compiled
from app.ui.widgets.card import TabbedCard, ToggleButton
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.code_view import CodeView

__all__ = ["CodeCard"]


def _functions(layer: str) -> tuple[str, ...]:
    """Return the functions of a layer: forward and backward, or the only one of a loss."""
    both = (f"{layer}_forward", f"{layer}_backward")
    return both if hasattr(reference, both[0]) else (layer,)


class CodeCard(TabbedCard):
    """Shows the code of the layers of a topic."""

    def __init__(self, name: str = "code") -> None:
        super().__init__(["Readable", "Compiled"], name)
        self.tabs[0].setToolTip(
            "The readable twin: NumPy, written to be read. It is the documentation, and what all else is held against"
        )
        self.tabs[1].setToolTip(
            "What runs: Python checks the shapes, Cython shares the work, C does the loops"
        )
        self.function = ChoiceBox(
            f"{name}Function",
            "Function whose code is shown",
            "Forward gives (out, cache); backward takes the slope of the loss along out, and the "
            "cache, and gives the slopes along every input",
        )
        self.function.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.function.setMinimumWidth(146)
        self.function.currentIndexChanged.connect(self._show_code)
        self.docs = ToggleButton(
            f"{name}Docs",
            "notes",
            "Show the whole docstrings: shapes, units, sources",
            self._on_docs,
        )
        self.part = ChoiceBox(
            f"{name}Part",
            "File of the compiled code",
            "Go to the Python that checks, the Cython that shares, or the C that loops",
        )
        self.part.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.part.setMinimumWidth(92)
        self.part.activated.connect(self._on_part)
        self.copy = QToolButton()
        self.copy.setObjectName(f"{name}Copy")
        self.copy.setText("copy")
        self.copy.setAccessibleName("Copy the code")
        self.copy.setToolTip("Copy what is selected, or else all of the code that is shown")
        self.copy.setProperty("flat", True)
        self.twin, self.compiled = CodeView(f"{name}Twin"), CodeView(f"{name}Compiled")
        self.copy.clicked.connect(self._on_copy)
        for tool in (self.docs, self.copy, self.part, self.function):
            self.add_tool(tool)
        self.add_page(self.twin)
        self.add_page(self.compiled)
        self.on_page_changed(self._on_page)

    def set_topic(self, topic: Topic) -> None:
        """Show the layers of another topic, from its first function."""
        self.function.blockSignals(True)
        self.function.clear()
        for layer in topic.layers:
            for name in _functions(layer):
                self.function.addItem(name, name)
        for dotted in topic.code:
            self.function.addItem(".".join(dotted.split(".")[-2:]), dotted)
        self.function.blockSignals(False)
        self._show_code()

    def show_function(self, name: str) -> None:
        """Turn to a function of the topic."""
        place = self.function.findData(name)
        if place >= 0:
            self.function.setCurrentIndex(place)

    def _on_docs(self, _on: bool) -> None:
        self._show_code()

    def _on_page(self, _page: int) -> None:
        self._show_code()

    def _on_copy(self) -> None:
        (self.twin if self.page == 0 else self.compiled).copy_all()

    def _on_part(self, place: int) -> None:
        self.compiled.show_excerpt(place)

    def _show_code(self) -> None:
        name = self.function.currentData()
        self.function.setVisible(bool(name))
        self.part.hide()
        self.docs.setVisible(self.page == 0)
        if not name:
            return
        if self.page == 0:
            # All of the topic in one piece; the choice goes to its place.
            self.twin.set_code(self._readable())
            self.twin.show_definition(name.rpartition(".")[2])
        elif "." in name:
            self.compiled.set_code((), "It calls its layers: their code is at each of them.")
        else:
            excerpts = compiled_code(name)
            self.compiled.set_code(excerpts, why_not_compiled(name))
            self.part.clear()
            self.part.addItems([excerpt.path.rpartition("/")[2] for excerpt in excerpts])
            self.part.setVisible(len(excerpts) > 1)

    def _readable(self) -> list[Excerpt]:
        names = [str(self.function.itemData(place)) for place in range(self.function.count())]
        layers = [name for name in names if "." not in name]
        excerpts = [*twin_code(*layers)]
        for name in names:
            if "." in name:
                excerpts += code_of(name)
        return excerpts if self.docs.isChecked() else [one.brief() for one in excerpts]
