"""What is asked before a film or a whole run is written: few settings, and what will come of them."""

from __future__ import annotations

import importlib.util
from typing import Any

from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from app.core.params import Spec
from app.core.runs import RunFolder
from app.core.takeaway.archive import plan_archive
from app.core.takeaway.choices import ArchiveSpec, FilmSpec
from app.core.takeaway.contents import contents_of
from app.core.takeaway.film import plan_film
from app.core.words import size_in_words
from app.ui.param_form import ParamForm
from app.ui.widgets.card import quiet_label
from app.ui.widgets.number_field import NumberField

__all__ = ["ArchiveDialog", "FilmDialog", "TakeAwayDialog"]


class TakeAwayDialog(QDialog):
    """A form, a line that says what will be written, and the way on to the file's name.

    Parameters
    ----------
    name, title : str
    spec : Spec
        What is chosen unless the person says otherwise.
    sliders : tuple of str
        The settings that get a slider.
    """

    def __init__(
        self,
        name: str,
        title: str,
        spec: Spec,
        sliders: tuple[str, ...] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setWindowTitle(title)
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        layout.setContentsMargins(18, 16, 18, 16)
        heading = QLabel(title)
        heading.setProperty("heading", True)
        layout.addWidget(heading)
        self.form = ParamForm(spec, sliders)
        self.form.changed.connect(self.show_estimate)
        layout.addWidget(self.form)
        self.estimate = quiet_label("", f"{name}Estimate")
        self.estimate.setWordWrap(True)
        layout.addWidget(self.estimate)
        layout.addStretch(1)
        buttons = QDialogButtonBox()
        go = buttons.addButton("Save as…", QDialogButtonBox.ButtonRole.AcceptRole)
        assert go is not None
        go.setObjectName(f"{name}Go")
        go.setProperty("primary", True)
        go.setToolTip("Choose the file's name and kind")
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)
        self.setMinimumWidth(380)

    def show_estimate(self) -> None:
        """Say what would be written now."""
        raise NotImplementedError

    def accept(self) -> None:
        """Qt: nothing is written with a value other than the one that is typed."""
        if not any(field.property("wrong") for field in self.findChildren(NumberField)):
            super().accept()

    def choices(self) -> dict[str, Any]:
        """Return what was chosen, as `app.core.run_exports.export_run` takes it."""
        return self.form.spec.model_dump()


class FilmDialog(TakeAwayDialog):
    """Asks how fast a film runs and what its grey levels mean; raises as `plan_film` does."""

    def __init__(self, run: RunFolder, parent: QWidget | None = None) -> None:
        self.plan = plan_film(contents_of(run))
        title = "Film of the filters forming"
        super().__init__("filmDialog", title, FilmSpec(), ("fps",), parent)
        self.show_estimate()

    def show_estimate(self) -> None:
        """Say how many frames there are, and how long they last."""
        spec, plan = self.form.spec, self.plan
        assert isinstance(spec, FilmSpec)
        frames = len(plan.shots)
        words = [
            f"{frames} frames, {plan.seconds(spec.fps):.3g} seconds with the last one held, "
            f"{plan.width} × {plan.height} pixels."
        ]
        if frames < plan.keyframes:
            words.append(
                f"The run has {plan.keyframes} keyframes; memory holds {frames} as frames."
            )
        if importlib.util.find_spec("imageio_ffmpeg") is None:
            words.append('For MP4 say first: pip install "filterscope[film]".')
        self.estimate.setText(" ".join(words))


class ArchiveDialog(TakeAwayDialog):
    """Asks what goes along when a run becomes one file."""

    def __init__(self, run: RunFolder, parent: QWidget | None = None) -> None:
        self.plan = plan_archive(run)
        super().__init__("archiveDialog", "The whole run as one file", ArchiveSpec(), (), parent)
        if self.plan.data is None:
            self.form.rows["data"].setEnabled(False)
        self.show_estimate()

    def show_estimate(self) -> None:
        """Say how large the file will be."""
        spec, plan = self.form.spec, self.plan
        assert isinstance(spec, ArchiveSpec)
        size = plan.size(checkpoints=spec.checkpoints, data=spec.data)
        self.estimate.setText(f"About {size_in_words(size)}. {plan.why_no_data}".strip())
