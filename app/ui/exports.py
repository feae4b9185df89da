"""What can be taken away from the window, and the dialog that asks where to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject
from PyQt6.QtGui import QAction, QActionGroup
from PyQt6.QtWidgets import QFileDialog, QMenu, QWidget

from app.core.errors import FilterscopeError
from app.core.export import (
    curves_csv,
    mosaic_png,
    mosaic_svg,
    settings_text,
    weights_npz,
    weights_safetensors,
)
from app.core.mosaic import Mosaic
from app.core.storage import safe_name, save_bytes
from app.ui.pictures import widget_png, widget_svg

if TYPE_CHECKING:
    from app.ui.main_window import MainWindow

__all__ = ["Exporter"]

ZOOMS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Item:
    """One thing to take away: its name, and how each kind of file is made."""

    key: str
    text: str
    makers: dict[str, Callable[[], bytes]]
    ready: Callable[[], bool]


class Exporter(QObject):
    """The Export menu, and what its entries do."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window_ = window
        self.zoom = window.settings.zoom
        self.menu = QMenu("Export", window)
        self.menu.setObjectName("exportMenu")
        self.items = self._items()
        self.actions: dict[str, QAction] = {}
        for item in self.items:
            action = QAction(f"{item.text}…", window)
            action.setObjectName(f"export_{item.key}")
            action.setData(item.key)
            action.setToolTip(f"Save as {' or '.join(kind.upper() for kind in item.makers)}")
            action.triggered.connect(self._on_chosen)
            self.menu.addAction(action)
            self.actions[item.key] = action
        self.menu.addSeparator()
        self.menu.setToolTipsVisible(True)
        zoom = self.menu.addMenu("Zoom of pictures")
        assert zoom is not None
        zoom.setToolTipsVisible(True)
        group = QActionGroup(self)
        for factor in ZOOMS:
            choice = QAction(f"{factor} ×", window)
            choice.setCheckable(True)
            choice.setChecked(factor == self.zoom)
            choice.setData(factor)
            choice.setObjectName(f"exportZoom{factor}")
            choice.setToolTip(f"A pixel of a patch becomes {factor} × {factor} pixels of a PNG")
            group.addAction(choice)
            zoom.addAction(choice)
        group.triggered.connect(self._on_zoom)

    def _items(self) -> list[Item]:
        window = self.window_
        panel, data = window.autoencoder, window.data_panel

        def picture(
            key: str, text: str, get: Callable[[], Mosaic | None], caption: Callable[[], str]
        ) -> Item:
            def png() -> bytes:
                found = get()
                assert found is not None
                return mosaic_png(found, self.zoom, self.text())

            def svg() -> bytes:
                found = get()
                assert found is not None
                return mosaic_svg(found, self.zoom, text, caption())

            return Item(key, text, {"png": png, "svg": svg}, lambda: get() is not None)

        def plot(key: str, text: str, widget: QWidget, ready: Callable[[], bool]) -> Item:
            return Item(
                key,
                text,
                {
                    "png": lambda: widget_png(widget, 2, self.text()),
                    "svg": lambda: widget_svg(widget, text),
                },
                ready,
            )

        def trained() -> bool:
            return panel.training is not None and len(panel.training.history) > 0

        def csv() -> bytes:
            training = panel.training
            assert training is not None
            return curves_csv(training.history, training.spec, training.steps_per_epoch)

        def weights() -> bool:
            return panel.weights is not None

        curves = plot("curves", "Cost curves", panel.cost, trained)
        curves.makers["csv"] = csv
        return [
            picture("filters", "Filters", lambda: panel.filters.mosaic, self.caption),
            picture("patches", "Patches as they are", lambda: data.before.mosaic, lambda: ""),
            picture("normalized", "Normalized patches", lambda: data.after.mosaic, lambda: ""),
            picture(
                "reconstructions",
                "Reconstructions",
                lambda: panel.reconstructions.mosaic,
                self.caption,
            ),
            curves,
            plot("activations", "Mean activations", panel.bars, weights),
            plot("histogram", "Weight histogram", panel.histogram, weights),
            Item(
                "weights",
                "Weights",
                {
                    "npz": lambda: weights_npz(panel.weights),
                    "safetensors": lambda: weights_safetensors(panel.weights, self.text()),
                },
                weights,
            ),
        ]

    def text(self) -> dict[str, str]:
        """All settings of what is in sight, for text chunks."""
        patches = self.window_.autoencoder.seen_patches
        specs = [self.window_.autoencoder.seen_spec]
        more = {} if patches is None else {"data_sha256": patches.source.sha256}
        if patches is None:
            return settings_text(*specs, **more)
        return settings_text(*specs, patches.fitted.spec, **more)

    def caption(self) -> str:
        """One line of settings below a picture."""
        spec = self.window_.autoencoder.seen_spec
        return (
            f"{spec.hidden_units} units, ρ {spec.rho:g}, β {spec.beta:g}, λ {spec.lam:g}, "
            f"{spec.solver}, seed {spec.seed}"
        )

    def refresh(self) -> None:
        """Offer what is there."""
        for item in self.items:
            self.actions[item.key].setEnabled(item.ready())

    def _on_zoom(self, action: QAction) -> None:
        self.zoom = action.data()
        self.window_._save_settings(zoom=self.zoom)

    def _on_chosen(self) -> None:
        action = self.sender()
        if not isinstance(action, QAction):
            return
        item = next(item for item in self.items if item.key == action.data())
        filters = {f"{suffix.upper()} (*.{suffix})": suffix for suffix in item.makers}
        folder = Path(self.window_.settings.last_folder or Path.home())
        start = folder / f"{safe_name(item.text.lower())}.{next(iter(item.makers))}"
        # The dialog asks before an existing file is replaced.
        path, chosen = QFileDialog.getSaveFileName(
            self.window_, item.text, str(start), ";;".join(filters)
        )
        if path:
            self.save(item.key, Path(path), filters.get(chosen, ""))

    def save(self, key: str, path: Path, suffix: str = "", *, overwrite: bool = True) -> bool:
        """Write one thing; the kind of file follows the name's ending, else `suffix`."""
        item = next(item for item in self.items if item.key == key)
        kind = path.suffix.lstrip(".").lower()
        if kind not in item.makers:
            kind = suffix or next(iter(item.makers))
            path = path.with_name(f"{path.name}.{kind}")
            overwrite = False
        notice = self.window_.notice
        try:
            save_bytes(path, item.makers[kind](), overwrite=overwrite)
        except FilterscopeError as error:
            notice.tell("problem", error.message, error.hint)
            return False
        notice.tell("good", f"Saved {path.name}.", str(path.parent))
        return True
