"""The shape at which a layer is timed: known ones, and a box for each of its numbers."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QWidget

from app.core.checks.comparison import USED
from app.core.checks.layer_case import PRESETS, TimingSpec
from app.core.errors import UsageError
from app.core.params import describe
from app.ui.widgets.card import quiet_label
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.number_field import NumberField

__all__ = ["ShapeForm"]

# In this order over the columns, so that names of like length stand below each other.
SHAPE = ("batch", "height", "filters", "window", "channels", "width", "stride", "pad")
# What a box is called where there is room for a letter only.
SHORT = {
    "batch": "N",
    "channels": "C",
    "height": "H",
    "width": "W",
    "filters": "F",
    "window": "window",
    "stride": "stride",
    "pad": "pad",
}
COLUMNS = 4


class ShapeForm(QWidget):
    """Edits a `TimingSpec`, and remembers the last shape of every layer.

    Signals
    -------
    changed()
        `spec` is another.
    problem(str)
        What is wrong with what was typed; empty when that is over.

    Attributes
    ----------
    spec : TimingSpec
    """

    changed = pyqtSignal()
    problem = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self.spec = TimingSpec()
        self._specs: dict[str, TimingSpec] = {
            preset.layer: preset for preset in reversed(list(PRESETS.values()))
        }
        self._parameters = {one.name: one for one in describe(TimingSpec)}
        self.fields: dict[str, NumberField] = {}
        self._labels: dict[str, QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 2)
        grid.setHorizontalSpacing(5)
        grid.setVerticalSpacing(4)
        self._build_choices()
        for place, name in enumerate(SHAPE):
            self._build_field(name)
            row, column = divmod(place, COLUMNS)
            grid.addWidget(self._labels[name], row, 2 * column)
            grid.addWidget(self.fields[name], row, 2 * column + 1)
        # A row of their own: names of shapes are long.
        named = QHBoxLayout()
        named.setSpacing(5)
        named.addWidget(self.shapes, 1)
        named.addWidget(self.precision)
        grid.addLayout(named, len(SHAPE) // COLUMNS, 0, 1, 2 * COLUMNS + 1)
        grid.setColumnStretch(2 * COLUMNS, 1)
        self.show_spec()

    def _build_choices(self) -> None:
        self.shapes = ChoiceBox(
            "timingPreset",
            "Known shapes",
            "Shapes that the exercise's report and its networks have",
        )
        self.shapes.addItem("Shape…", "")
        for name in PRESETS:
            self.shapes.addItem(name, name)
        self.shapes.activated.connect(self._on_preset)
        self.shapes.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.shapes.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.shapes.setMinimumContentsLength(6)
        self.shapes.setMinimumWidth(82)
        precision = self._parameters["precision"]
        self.precision = ChoiceBox("timingPrecision", "Precision", precision.hyper.teaches)
        for choice in precision.choices:
            self.precision.addItem(choice, choice)
        self.precision.currentIndexChanged.connect(self._on_precision)

    def _build_field(self, name: str) -> None:
        parameter = self._parameters[name]
        field = NumberField(f"timing_{name}", whole=True)
        field.setFixedWidth(44)
        field.setAccessibleName(parameter.hyper.label)
        field.setToolTip(f"{parameter.hyper.teaches}\n{parameter.range_text}")
        field.value_typed.connect(self._on_typed)
        field.problem.connect(self.problem)
        label = quiet_label(SHORT[name])
        label.setBuddy(field)
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        label.setToolTip(field.toolTip())
        self.fields[name], self._labels[name] = field, label

    def set_layer(self, layer: str) -> None:
        """Turn to a layer, at the shape it had last."""
        self._specs[self.spec.layer] = self.spec
        self._turn_to(self._specs.get(layer, self.spec.changed(layer=layer)))

    def _turn_to(self, spec: TimingSpec) -> None:
        self._specs[self.spec.layer] = self.spec
        self.spec = spec
        self.show_spec()
        self.changed.emit()

    def _on_preset(self, place: int) -> None:
        preset = PRESETS.get(self.shapes.itemData(place))
        if preset is not None:
            self._turn_to(preset)

    def _on_precision(self, place: int) -> None:
        self._change(precision=self.precision.itemData(place))

    def _on_typed(self, value: float) -> None:
        field = self.sender()
        if isinstance(field, NumberField):
            self._change(**{field.objectName().removeprefix("timing_"): int(value)})

    def _change(self, **values: object) -> None:
        try:
            self.spec = self.spec.changed(**values)
        except UsageError as error:
            for name in values:
                self.fields[name].refuse(str(error))
            return
        self.show_spec()
        self.changed.emit()

    def show_spec(self) -> None:
        """Show what matters for the layer; the rest of the shape is not asked for."""
        spec = self.spec
        self.problem.emit("")
        self.precision.blockSignals(True)
        self.precision.setCurrentIndex(self.precision.findData(spec.precision))
        self.precision.blockSignals(False)
        name = next((name for name, preset in PRESETS.items() if preset == spec), "")
        self.shapes.setCurrentIndex(self.shapes.findData(name))
        for key, field in self.fields.items():
            field.set_value(getattr(spec, key))
            used = key in USED[spec.layer]
            field.setVisible(used)
            self._labels[key].setVisible(used)
