"""Asks with which settings a branch goes on, and for how long."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from app.core.branch import FIXED, branch_settings
from app.core.params import Hyper, Spec
from app.core.specs import TrainingSpec
from app.ui.param_form import ParamForm
from app.ui.widgets.card import quiet_label
from app.ui.widgets.fading_scroll import FadingScroll
from app.ui.widgets.number_field import NumberField

__all__ = ["BranchDialog"]

# Of a training that is done, or nearly: as far as shows what another value does.
LEAST_MORE = 10
# Settings of a run's own, which a branch has of its parent or asks for in another way.
LEFT_OUT = ("epochs", "keyframe_budget")
# Pixels: of the dialog, and of the settings that are in sight at least.
SIZE, LEAST_SCROLL = (380, 560), 260


class _Length(Spec):
    """How long a branch trains."""

    more: Annotated[
        int,
        Field(ge=1, le=1_000_000),
        Hyper("", "Epochs more", "How long the branch goes on from here."),
    ] = 10


class BranchDialog(QDialog):
    """The settings that may differ from there on.

    Parameters
    ----------
    spec : TrainingSpec
        What was in force at the moment that is seen.
    where : str
        That moment, such as ``epoch 3.2``.
    done, planned : float
        Epochs that are done there; how many the settings say there are in all.
    running : bool
        Whether the training goes on just now.
    whole : bool
        Whether all weights of that moment are kept.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        where: str,
        done: float,
        planned: int,
        *,
        running: bool,
        whole: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("branchDialog")
        self.setWindowTitle("Branch")
        self._before, self._done = spec, done
        layout = QVBoxLayout(self)
        layout.setSpacing(10)
        layout.setContentsMargins(18, 16, 18, 16)
        title = QLabel(f"Go on from {where}")
        title.setProperty("heading", True)
        layout.addWidget(title)
        words = ["A run of its own begins with the weights that are seen; this one stays as it is."]
        if not whole:
            words = [
                "Of this moment not all weights are kept: a run of its own begins at the last one "
                "before it of which they are. This one stays as it is."
            ]
        if running:
            words.append("The training under way is stopped and kept.")
        said = quiet_label(" ".join(words), "branchWords")
        said.setWordWrap(True)
        layout.addWidget(said)
        self.length = ParamForm(_Length(more=max(int(planned - done), LEAST_MORE)))
        layout.addWidget(self.length)
        offered = branch_settings(type(spec))
        # What a network is asked for comes before how it is found.
        live = [p.name for p in offered if p.hyper.live and p.hyper.slider is not None]
        sliders = sorted(live, key=lambda name: name in TrainingSpec.model_fields)
        hidden = [name for name in type(spec).model_fields if name in (*FIXED, *LEFT_OUT)]
        self.form = ParamForm(spec, sliders, hidden)
        self.form.changed.connect(self._show_rows)
        column = QWidget()
        inside = QVBoxLayout(column)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.form)
        inside.addStretch(1)
        scroll = FadingScroll("branchSettings", column)
        scroll.setMinimumHeight(LEAST_SCROLL)
        layout.addWidget(scroll, 1)
        buttons = QDialogButtonBox()
        go = buttons.addButton("Branch", QDialogButtonBox.ButtonRole.AcceptRole)
        assert go is not None
        go.setObjectName("branchGo")
        go.setProperty("primary", True)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)
        self._show_rows(spec)
        self._scroll, self._column = scroll, column
        self.resize(*SIZE)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Qt: as high as its settings need, no higher."""
        super().showEvent(event)
        layout = self.layout()
        assert layout is not None
        layout.activate()
        width = self._column.width()
        needed = max(self._column.heightForWidth(width), self._column.sizeHint().height())
        spare = self._scroll.height() - needed
        if spare > 0:
            self._scroll.setMinimumHeight(min(needed, LEAST_SCROLL))
            self.resize(self.width(), self.height() - spare)

    def _show_rows(self, spec: Any) -> None:
        self.form.show_row("momentum", spec.solver in ("momentum", "nesterov"))
        for name in ("learning_rate", "batch_size"):
            self.form.show_row(name, spec.solver != "lbfgs")

    def accept(self) -> None:
        """Qt: nothing begins with a value other than the one that is typed."""
        if not any(field.property("wrong") for field in self.findChildren(NumberField)):
            super().accept()

    def changes(self) -> dict[str, Any]:
        """Return the settings that the person changed."""
        before, now = self._before.model_dump(), self.form.spec.model_dump()
        return {name: value for name, value in now.items() if before[name] != value}

    def epochs(self) -> int:
        """Return how many epochs the branch is to have in all."""
        more = self.length.spec
        assert isinstance(more, _Length)
        return int(self._done) + more.more
