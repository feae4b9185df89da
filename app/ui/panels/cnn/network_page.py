"""The network's settings: a preset, the list of layers, and a form."""

from __future__ import annotations

from typing import cast

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QFrame, QScrollArea, QVBoxLayout, QWidget

from app.core.presets import CNN_PRESETS
from app.core.specs import ConvNetSpec
from app.ui.param_form import ParamForm
from app.ui.widgets.layer_list import LayerList

__all__ = ["NetworkPage"]

SLIDERS = ("learning_rate", "reg", "dropout")


class NetworkPage(QWidget):
    """Edits one frozen `ConvNetSpec`.

    Signals
    -------
    spec_changed(object)
        The person chose other settings.
    preset_chosen(str)
        The person chose a preset by name.
    """

    spec_changed = pyqtSignal(object)
    preset_chosen = pyqtSignal(str)

    def __init__(self, spec: ConvNetSpec) -> None:
        super().__init__()
        self.setObjectName("networkPage")
        self.spec = spec
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.presets = QComboBox()
        self.presets.setObjectName("cnnPresets")
        self.presets.setAccessibleName("Preset")
        self.presets.setToolTip("Settings that are known to give something worth seeing")
        self.presets.addItem("Preset…", "")
        for name, preset in CNN_PRESETS.items():
            self.presets.addItem(preset.title, name)
            self.presets.setItemData(
                self.presets.count() - 1, preset.teaches, Qt.ItemDataRole.ToolTipRole
            )
        self.presets.activated.connect(self._on_preset)
        self.layers = LayerList()
        self.layers.layers_changed.connect(self._on_layers)
        self.form = ParamForm(spec, SLIDERS, hidden=("layers",))
        self.form.changed.connect(self._take)
        scroll = QScrollArea()
        scroll.setObjectName("cnnSettingsScroll")
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(self.form)
        column.addWidget(self.presets)
        column.addWidget(self.layers, 2)
        column.addWidget(scroll, 3)
        self.set_spec(spec)

    @property
    def weights_text(self) -> str:
        """How many weights the network has, or nothing while it is impossible."""
        description = self.layers.description
        if description is None or description.error is not None:
            return ""
        return f"{description.parameter_count:,} weights".replace(",", " ")

    def set_spec(self, spec: ConvNetSpec) -> None:
        """Show other settings; nothing is emitted."""
        self.spec = spec
        self.form.set_spec(spec)
        self.layers.set_layers(spec.layers)
        self._show_rows()

    def set_locked(self, locked: bool) -> None:
        """Lock what cannot change while training."""
        self.form.set_locked(locked)
        self.layers.set_locked(locked)
        self.presets.setEnabled(not locked)

    def _on_preset(self, index: int) -> None:
        name = self.presets.itemData(index)
        if name:
            self.preset_chosen.emit(name)

    def _on_layers(self, text: str) -> None:
        spec = self.spec.changed(layers=text)
        self.form.set_spec(spec)
        self._take(spec)

    def _take(self, spec: object) -> None:
        self.spec = cast(ConvNetSpec, spec)
        self.presets.setCurrentIndex(0)
        self._show_rows()
        self.spec_changed.emit(self.spec)

    def _show_rows(self) -> None:
        """Show what matters with the choices that were made."""
        spec = self.spec
        self.form.show_row("momentum", spec.solver in ("momentum", "nesterov"))
        self.form.show_row("learning_rate", spec.solver != "lbfgs")
        self.form.show_row("batch_size", spec.solver != "lbfgs")
        self.form.show_row("weight_scale", spec.initialisation == "normal")
        self.form.show_row("rate_decay", spec.schedule in ("decay", "step"))
        self.form.show_row("step_epochs", spec.schedule == "step")
        self.form.show_row("warmup", spec.schedule in ("cosine", "one_cycle"))
        self.form.show_row("label_smoothing", spec.loss == "softmax")
        for name in ("device", "level", "mixed_precision", "channels_last", "compile"):
            self.form.show_row(name, spec.engine == "torch")
