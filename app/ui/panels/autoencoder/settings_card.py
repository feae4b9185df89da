"""The settings of an autoencoder, and what the one in hand does to the formula."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QFrame, QLabel, QVBoxLayout

from app.core.presets import PRESETS
from app.core.specs import AutoencoderSpec
from app.ui.param_form import ParamForm
from app.ui.widgets.card import Card
from app.ui.widgets.fading_scroll import FadingScroll
from app.ui.widgets.formula import FormulaLabel

__all__ = ["SettingsCard"]

SLIDERS = ("rho", "beta", "lam", "learning_rate", "momentum", "hidden_units")


class SettingsCard(Card):
    """A preset, the form, and a few lines that explain.

    Signals
    -------
    changed(object)
        The person chose other settings.
    preset_chosen(str)
        The person chose a preset by name.
    focused(str)
        A setting came into hand.
    """

    changed = pyqtSignal(object)
    preset_chosen = pyqtSignal(str)
    focused = pyqtSignal(str)

    def __init__(self, spec: AutoencoderSpec) -> None:
        super().__init__("Sparse autoencoder", "settings")
        self.setFixedWidth(304)
        self.presets = QComboBox()
        self.presets.setObjectName("preset")
        self.presets.setAccessibleName("Preset")
        self.presets.setToolTip("Settings that are known to give something worth seeing")
        self.presets.addItem("Preset…", "")
        for name, preset in PRESETS.items():
            self.presets.addItem(preset.title, name)
            self.presets.setItemData(
                self.presets.count() - 1, preset.teaches, Qt.ItemDataRole.ToolTipRole
            )
        self.presets.activated.connect(self._on_preset)
        formula = FormulaLabel("formula", "J = 1/(2N) Σ‖d−o‖² + λ/2 ΣW² + β Σ KL(ρ‖ρ̂)")
        formula.setToolTip(
            "Reconstruction + weight decay + sparsity; ρ with a hat is a unit's mean activation"
        )
        self.body.addWidget(formula)
        self.body.addWidget(self.presets)
        self.form = ParamForm(spec, SLIDERS)
        self.form.changed.connect(self._on_form)
        self.form.focused.connect(self.focused)
        self.body.addWidget(FadingScroll("settingsScroll", self.form), 1)
        inset = QFrame()
        inset.setObjectName("inset")
        inside = QVBoxLayout(inset)
        inside.setContentsMargins(10, 8, 10, 8)
        inside.setSpacing(2)
        self.explain_title = QLabel()
        self.explain_title.setProperty("heading", True)
        self.explain_title.setTextFormat(Qt.TextFormat.PlainText)
        self.explain_text = FormulaLabel("explain")
        inside.addWidget(self.explain_title)
        inside.addWidget(self.explain_text)
        self.body.addWidget(inset)
        self._show_rows(spec)

    def set_spec(self, spec: AutoencoderSpec) -> None:
        """Show other settings."""
        self.form.set_spec(spec)
        self._show_rows(spec)

    def set_locked(self, locked: bool) -> None:
        """Lock what cannot change while training."""
        self.form.set_locked(locked)
        self.presets.setEnabled(not locked)

    def explain(self, title: str, text: str) -> None:
        """Say what something does."""
        self.explain_title.setText(title)
        self.explain_text.set_text(text)

    def _show_rows(self, spec: AutoencoderSpec) -> None:
        self.form.show_row("momentum", spec.solver in ("momentum", "nesterov"))
        self.form.show_row("learning_rate", spec.solver != "lbfgs")
        self.form.show_row("batch_size", spec.solver != "lbfgs")
        self.form.show_row("device", spec.engine == "torch")

    def _on_preset(self, index: int) -> None:
        name = self.presets.itemData(index)
        if name:
            self.preset_chosen.emit(name)

    def _on_form(self, spec: AutoencoderSpec) -> None:
        self.presets.setCurrentIndex(0)
        self._show_rows(spec)
        self.changed.emit(spec)
