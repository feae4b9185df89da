"""The data lab: what is open, how it is read, and what preprocessing makes of it."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.core.data.preprocess import apply
from app.core.probe import spread_rows
from app.core.specs import PreprocessSpec
from app.core.words import grouped
from app.ui.data_session import DataRequest, DataSession
from app.ui.param_form import ParamForm
from app.ui.widgets.bar_plots import HistogramPlot
from app.ui.widgets.card import Card, quiet_label
from app.ui.widgets.fading_scroll import FadingScroll
from app.ui.widgets.mosaic_view import MosaicView
from app.ui.widgets.splitters import one_below_another, side_by_side

__all__ = ["DataPanel"]

SHOWN = 200
LAYOUT_WORDS = {
    "NCHW": "patches, channels, rows, columns",
    "NHWC": "patches, rows, columns, channels",
    "NHW": "patches, rows, columns (grey)",
    "ND": "patches, pixels in one row",
    "DN": "pixels, patches",
    "NCWH": "MATLAB: rows, columns, channels, patches",
    "CWHN": "MATLAB: patches, rows, columns, channels",
    "WHCN": "MATLAB: patches, channels, rows, columns",
    "NWH": "MATLAB: rows, columns, patches",
    "WHN": "MATLAB: patches, rows, columns",
    "Nd": "MATLAB: pixels, patches",
    "dN": "MATLAB: patches, pixels",
}


class _Chooser(QWidget):
    """A labelled choice that fills the width."""

    def __init__(self, name: str, label: str, tip: str) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(quiet_label(label))
        self.box = QComboBox()
        self.box.setObjectName(name)
        self.box.setAccessibleName(label)
        self.box.setToolTip(tip)
        self.box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.box.setMinimumContentsLength(8)
        layout.addWidget(self.box)

    def fill(self, items: list[tuple[str, str]], current: str) -> None:
        """Offer ``(value, text)`` pairs; one that cannot be chosen has an empty value."""
        self.box.blockSignals(True)
        self.box.clear()
        for value, text in items:
            self.box.addItem(text, value)
            if not value:
                model = self.box.model()
                assert model is not None
                item = model.item(self.box.count() - 1)  # type: ignore[attr-defined]
                item.setEnabled(False)
        self.box.setCurrentIndex(max(0, self.box.findData(current)))
        self.box.blockSignals(False)
        self.setVisible(len(items) > 0)


class DataPanel(QWidget):
    """Shows the open patches before and after, and every choice about them.

    Signals
    -------
    open_clicked(), folder_clicked(), sample_clicked()
        The person wants a file, a folder of photographs, or the bundled sample.
    """

    open_clicked = pyqtSignal()
    folder_clicked = pyqtSignal()
    sample_clicked = pyqtSignal()

    def __init__(self, session: DataSession) -> None:
        super().__init__()
        self.setObjectName("dataPanel")
        self.session = session
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(self._build_settings())
        layout.addWidget(self._build_pictures(), 1)
        session.changed.connect(self.refresh)

    def _build_settings(self) -> QWidget:
        column = QWidget()
        column.setFixedWidth(304)
        stack = QVBoxLayout(column)
        stack.setContentsMargins(0, 0, 0, 0)
        stack.setSpacing(10)
        source = Card("Data", "source")
        self.file_name = QLabel("Nothing is open")
        self.file_name.setObjectName("fileName")
        self.file_name.setTextFormat(Qt.TextFormat.PlainText)
        self.file_name.setWordWrap(True)
        source.body.addWidget(self.file_name)
        self.dataset = _Chooser("dataset", "data set", "Which array of the file is used")
        self.layout_choice = _Chooser("layout", "axes", "What the axes of the array mean")
        self.value_range = _Chooser("valueRange", "values", "Which values are black and white")
        self.dataset.box.activated.connect(self._on_dataset)
        self.layout_choice.box.activated.connect(self._on_reading)
        self.value_range.box.activated.connect(self._on_reading)
        for chooser in (self.dataset, self.layout_choice, self.value_range):
            source.body.addWidget(chooser)
            chooser.hide()
        self.health = quiet_label(name="health")
        self.health.setWordWrap(True)
        source.body.addWidget(self.health)
        buttons = QHBoxLayout()
        for name, text, tip, signal in (
            (
                "openFile",
                "File…",
                "Open an HDF5, .npy or .npz file of patches (Ctrl+O)",
                self.open_clicked,
            ),
            (
                "openFolder",
                "Photos…",
                "Cut patches from a folder of photographs",
                self.folder_clicked,
            ),
            ("openSample", "Sample", "The patches that come with the program", self.sample_clicked),
        ):
            button = QPushButton(text)
            button.setObjectName(name)
            button.setToolTip(tip)
            button.clicked.connect(signal)
            buttons.addWidget(button)
        source.body.addLayout(buttons)
        stack.addWidget(source)
        steps = Card("Preprocessing", "preprocessing")
        self.form = ParamForm(self.session.preprocess, ("epsilon", "deviations"))
        self.form.changed.connect(self._on_preprocess)
        # The order of the steps, not the order of the widgets that show them.
        box = self.form.layout()
        assert isinstance(box, QVBoxLayout)
        for place, name in enumerate(PreprocessSpec.model_fields):
            box.insertWidget(place, self.form.rows[name])
        holder = QWidget()
        inner = QVBoxLayout(holder)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.form)
        inner.addStretch(1)
        steps.body.addWidget(FadingScroll("preprocessingScroll", holder))
        stack.addWidget(steps, 1)
        self._show_rows()
        return column

    def _build_pictures(self) -> QWidget:
        before = Card("Patches as they are", "before")
        self.before = MosaicView("patchesBefore", self._describe, "Patches as they are")
        self.before.set_scale("unit")
        self.before.empty_text = "Drop an HDF5 file here"
        before.body.addWidget(self.before)
        self.before_card = before
        after = Card("What the network sees", "after")
        self.after = MosaicView("patchesAfter", self._describe, "Patches as the network sees them")
        self.after.set_scale("unit")
        after.body.addWidget(self.after)
        self.after_card = after
        self.histogram_card = Card("Pixel values", "pixels")
        self.histogram = HistogramPlot(
            "pixelHistogram", "value the network sees", "share of pixels"
        )
        self.raw_histogram = HistogramPlot("rawHistogram", "value in the file", "share of pixels")
        plots = QHBoxLayout()
        plots.addWidget(self.raw_histogram)
        plots.addWidget(self.histogram)
        self.histogram_card.body.addLayout(plots)
        top = side_by_side({before: 500, after: 500})
        return one_below_another({top: 580, self.histogram_card: 170}, stretch=(1,))

    def _on_preprocess(self, spec: PreprocessSpec) -> None:
        self._show_rows()
        self.session.set_preprocess(spec)

    def set_preprocess(self, spec: PreprocessSpec) -> None:
        """Show other preprocessing (a preset's) and ask for it."""
        self.form.set_spec(spec)
        self._on_preprocess(spec)

    def _show_rows(self) -> None:
        spec = self.form.spec
        assert isinstance(spec, PreprocessSpec)
        self.form.show_row("epsilon", spec.whiten != "none")
        self.form.show_row("deviations", spec.clip)

    def _on_dataset(self, index: int) -> None:
        request = self.session.request
        name = self.dataset.box.itemData(index)
        if request is not None and name:
            self.session.open(DataRequest(request.path, dataset=name))

    def _on_reading(self, _index: int) -> None:
        request = self.session.request
        if request is None:
            return
        self.session.open(
            DataRequest(
                request.path,
                dataset=self.dataset.box.currentData() or request.dataset,
                layout=self.layout_choice.box.currentData(),
                value_range=self.value_range.box.currentData(),
            )
        )

    def refresh(self) -> None:
        """Show what is open now."""
        session = self.session
        raw, patches, health = session.raw, session.patches, session.health
        if raw is None or session.request is None:
            return
        channels, height, width = raw.shape
        kind = "RGB" if channels == 3 else "grey"
        count = grouped(raw.count)
        self.file_name.setText(f"{session.request.name}\n{count} {kind} patches, {height}×{width}")
        self._fill_choosers()
        self.health.setText(health.sentence if health is not None else "")
        rows = raw.spread(SHOWN)
        shown = raw.take(rows)
        self.before.set_tiles(shown)
        self.before_card.note.setText(f"{len(rows)} of {count}")
        if health is not None:
            share = health.histogram / max(health.histogram.sum(), 1)
            self.raw_histogram.set_counts(share, health.bin_edges)
        if patches is None:
            self.after.set_tiles(None)
            self.after.empty_text = session.refusal[0] if session.refusal else ""
            self.after_card.note.setText("")
            return
        # The very same patches, so that each stands in the same place in both pictures.
        images = apply(shown, patches.fitted)
        spec = patches.fitted.spec
        if not spec.rescale:
            # Without a fixed range, the middle 99 % of the values go from black to white.
            low, high = np.percentile(images, (0.5, 99.5))
            images = (images - low) / max(float(high - low), 1e-12)
        self.after.set_tiles(images)
        depth = patches.x.shape[1]
        self.after_card.note.setText(f"{depth} numbers a patch")
        counts, edges = np.histogram(patches.x[spread_rows(len(patches.x), 4000)], 64)
        self.histogram.set_counts(counts / max(counts.sum(), 1), edges)

    def _fill_choosers(self) -> None:
        session = self.session
        assert session.raw is not None
        source = session.raw.source
        if session.report is None:
            for chooser in (self.dataset, self.layout_choice, self.value_range):
                chooser.fill([], "")
            return
        items = []
        layouts: tuple[str, ...] = (source.layout,)
        for found in session.report.datasets:
            shape = " × ".join(str(n) for n in found.shape)
            text = (
                f"{found.path}   {shape}"
                if found.refused is None
                else f"{found.path}   {found.refused}"
            )
            items.append((found.path if found.refused is None else "", text))
            if found.path == source.dataset:
                layouts = found.layouts or layouts
        self.dataset.fill(items, source.dataset)
        self.layout_choice.fill(
            [(name, LAYOUT_WORDS.get(name, name)) for name in layouts], source.layout
        )
        self.value_range.fill([("0..1", "0 … 1"), ("0..255", "0 … 255")], source.value_range)

    def _describe(self, index: int) -> str:
        raw = self.session.raw
        if raw is None:
            return ""
        return f"patch {int(raw.spread(SHOWN)[index])}"
