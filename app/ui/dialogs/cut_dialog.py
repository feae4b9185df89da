"""Asks how patches are to be cut from a folder of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from app.core.params import Hyper, Spec
from app.ui.data_session import DataRequest
from app.ui.param_form import ParamForm

__all__ = ["CutDialog"]


class CutSpec(Spec):
    """How patches are cut."""

    size: Annotated[
        int,
        Field(ge=4, le=64),
        Hyper("", "Side of a patch", "Patches are squares of this many pixels.", unit="pixels"),
    ] = 16
    count: Annotated[
        int,
        Field(ge=10, le=1_000_000),
        Hyper(
            "", "How many", "Cut at random places, as many from each photograph.", unit="patches"
        ),
    ] = 10_240
    seed: Annotated[
        int, Field(ge=0, lt=2**63), Hyper("", "Seed", "The same seed cuts the same patches.")
    ] = 0


class CutDialog(QDialog):
    """Side, number and seed of the patches."""

    def __init__(self, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Cut patches from photographs")
        self.folder = folder
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        layout.setContentsMargins(18, 16, 18, 16)
        title = QLabel(str(folder))
        title.setWordWrap(True)
        title.setProperty("heading", True)
        layout.addWidget(title)
        self.form = ParamForm(CutSpec())
        layout.addWidget(self.form)
        buttons = QDialogButtonBox()
        cut = buttons.addButton("Cut", QDialogButtonBox.ButtonRole.AcceptRole)
        assert cut is not None
        cut.setProperty("primary", True)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)

    def request(self) -> DataRequest:
        """Return what the person asked for."""
        spec = self.form.spec
        assert isinstance(spec, CutSpec)
        return DataRequest(
            self.folder, cut_size=spec.size, cut_count=spec.count, cut_seed=spec.seed
        )
