"""The network's settings: a preset, the list of layers, and a form."""

from __future__ import annotations

from typing import cast

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.core.own_model.file import ModelFile
from app.core.presets import CNN_PRESETS
from app.core.specs import ConvNetSpec
from app.core.words import grouped
from app.ui.param_form import ParamForm
from app.ui.widgets.choice_box import ChoiceBox
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
    layers_wanted()
        The person wants the list of layers again, instead of an own network.
    """

    spec_changed = pyqtSignal(object)
    preset_chosen = pyqtSignal(str)
    layers_wanted = pyqtSignal()

    def __init__(self, spec: ConvNetSpec) -> None:
        super().__init__()
        self.setObjectName("networkPage")
        self.spec = spec
        self.model: ModelFile | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        tip = "Settings that are known to give something worth seeing"
        self.presets = ChoiceBox("cnnPresets", "Preset", tip)
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
        column.addWidget(self._build_own())
        column.addWidget(scroll, 3)
        self.set_spec(spec)

    def _build_own(self) -> QWidget:
        """Return what stands in the place of the layers when the network is the person's own."""
        self.own = QWidget()
        self.own.setObjectName("ownModel")
        line = QHBoxLayout(self.own)
        line.setContentsMargins(0, 0, 0, 0)
        self.own_name = QLabel()
        self.own_name.setObjectName("ownModelName")
        self.own_name.setTextFormat(Qt.TextFormat.PlainText)
        self.own_name.setWordWrap(True)
        back = QToolButton()
        back.setObjectName("useLayers")
        back.setProperty("flat", True)
        back.setText("use layers")
        back.setToolTip("Leave your own network, and go back to the list of layers")
        back.clicked.connect(self.layers_wanted)
        self.use_layers = back
        line.addWidget(self.own_name, 1)
        line.addWidget(back)
        self.own.hide()
        return self.own

    def set_model(self, model: ModelFile | None) -> None:
        """Show a person's own network in the place of the list of layers, or the list again."""
        self.model = model
        self.layers.setVisible(model is None)
        self.own.setVisible(model is not None)
        self.own_name.setText("" if model is None else f"{model.name}: your own network")
        self.own_name.setToolTip("" if model is None else model.text)
        self._show_rows()

    @property
    def weights_text(self) -> str:
        """How many weights the network has, or nothing while it is impossible."""
        description = self.layers.description
        if self.model is not None or description is None or description.error is not None:
            return ""
        return f"{grouped(description.parameter_count)} weights"

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
        self.use_layers.setEnabled(not locked)
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
        own = self.model is not None
        for name in ("device", "mixed_precision", "channels_last"):
            self.form.show_row(name, own or spec.engine == "torch")
        for name in ("level", "compile"):
            self.form.show_row(name, not own and spec.engine == "torch")
        # Its first weights and its dropout are its own.
        for name in ("engine", "dropout", "initialisation"):
            self.form.show_row(name, not own)
        if own:
            self.form.show_row("weight_scale", False)
