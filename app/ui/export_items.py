"""What each lab offers to take away, and how each kind of file is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PyQt6.QtWidgets import QWidget

from app.core.export import (
    columns_csv,
    curves_csv,
    mosaic_png,
    mosaic_svg,
    settings_text,
    weights_npz,
    weights_safetensors,
)
from app.core.params import field_in_words
from app.ui.labs.autoencoder_lab import AutoencoderLab
from app.ui.labs.lab import Lab
from app.ui.moment import Moment
from app.ui.panels.data_panel import DataPanel
from app.ui.pictures import widget_png, widget_svg
from app.ui.widgets.mosaic_view import MosaicView
from app.workers.task_worker import Task

__all__ = ["GROUPS", "Choices", "FromRun", "Item", "Maker", "autoencoder_items", "step_of"]

GROUPS = ("Pictures", "Curves and numbers", "Weights", "Whole run", "Program")

Zoom = Callable[[], int]
Text = Callable[[], dict[str, str]]
# What a person chose of a file; from that the job that makes its bytes, with notes on them.
Choices = Mapping[str, Any]
FromRun = Callable[[Choices], Callable[[Task], tuple[bytes, list[str]]]]


@dataclass(frozen=True)
class Item:
    """One thing to take away from `lab`: its name, and how each kind of file is made.

    The workbench, which trains nothing, is its own lab. Kinds of file that take seconds are made
    `later`: what is called first returns, with all it needs, the job for another thread. What is
    made `from_run` may take minutes: its job is told of its task, says how far it is, and can be
    given up; it returns the file and what a person should know of it. Such a thing may `ask` how
    it is to be made before it asks where to: what is answered goes to its maker, and None is no.
    Where it is of one of several runs, `of` says of which.
    `tip` says what it is good for, `needs` what it takes where it is not to be had.
    """

    lab: Lab | QWidget
    key: str
    text: str
    makers: dict[str, Callable[[], bytes]]
    ready: Callable[[], bool]
    later: dict[str, Callable[[], Callable[[], bytes]]] = field(default_factory=dict)
    from_run: dict[str, FromRun] = field(default_factory=dict)
    tip: str = ""
    needs: str = ""
    ask: Callable[[QWidget], Choices | None] | None = None
    of: Callable[[], str] = str

    @property
    def title(self) -> str:
        """Its name in the menu; where there are several, of which it is."""
        whose = self.of()
        return f"{self.text}, {whose}" if whose else self.text

    @property
    def kinds(self) -> list[str]:
        """The kinds of file it can be, by their ending."""
        return [*self.makers, *self.later, *self.from_run]

    @property
    def group(self) -> str:
        """What it is listed with, one of `GROUPS`."""
        kinds = set(self.kinds)
        if kinds & {"html", "gif", "filterscope"}:
            return "Whole run"
        if kinds & {"npz", "safetensors", "pt", "onnx"}:
            return "Weights"
        if kinds & {"py", "ipynb"}:
            return "Program"
        return "Curves and numbers" if kinds & {"csv", "tfevents"} else "Pictures"


@dataclass(frozen=True)
class Maker:
    """Makes the items of one lab.

    Attributes
    ----------
    zoom : callable
        Pixels of a PNG for each pixel of a tile.
    settings : callable
        What goes into a file's text.
    caption : callable
        The line below a picture.
    """

    lab: Lab
    zoom: Zoom
    settings: Text
    caption: Callable[[], str]

    def picture(self, key: str, text: str, view: MosaicView, *, captioned: bool = True) -> Item:
        """Return the tiles of `view`, exactly as many pixels as they have."""

        def png() -> bytes:
            assert view.mosaic is not None
            return mosaic_png(view.mosaic, self.zoom(), self.settings())

        def svg() -> bytes:
            assert view.mosaic is not None
            caption = self.caption() if captioned else ""
            return mosaic_svg(view.mosaic, self.zoom(), text, caption)

        return Item(self.lab, key, text, {"png": png, "svg": svg}, lambda: view.mosaic is not None)

    def plot(
        self,
        key: str,
        text: str,
        widget: QWidget,
        ready: Callable[[], bool],
        csv: Callable[[], bytes] | None = None,
    ) -> Item:
        """Return a plot as it stands, and its numbers where there are any."""
        makers = {
            "png": lambda: widget_png(widget, 2, self.settings()),
            "svg": lambda: widget_svg(widget, text),
        }
        if csv is not None:
            makers["csv"] = csv
        return Item(self.lab, key, text, makers, ready)

    def weights(self, key: str, text: str, get: Callable[[], Mapping[str, Any] | None]) -> Item:
        """Return weights as files that other programs open."""
        return Item(
            self.lab,
            key,
            text,
            {
                "npz": lambda: weights_npz(get() or {}),
                "safetensors": lambda: weights_safetensors(get() or {}, self.settings()),
            },
            lambda: get() is not None,
        )

    def trained(self) -> bool:
        """Return whether there are curves."""
        training = self.lab.training.training
        return training is not None and len(training.history) > 0

    def curves(self) -> bytes:
        """Return every step as a row."""
        training = self.lab.training.training
        assert training is not None
        return curves_csv(training.history, training.spec, training.steps_per_epoch)


def step_of(moment: Moment | None) -> dict[str, str]:
    """Return what a file says of an older moment that is seen; nothing of the newest weights."""
    return {} if moment is None else {"step": str(moment.snapshot.step)}


def autoencoder_items(lab: AutoencoderLab, data: DataPanel, zoom: Zoom) -> list[Item]:
    """Return what the data and autoencoder labs offer."""
    panel = lab.panel

    def settings() -> dict[str, str]:
        patches = panel.seen_patches
        if patches is None:
            return settings_text(panel.seen_spec)
        return settings_text(
            panel.seen_spec,
            patches.fitted.spec,
            data_sha256=patches.source.sha256,
            **step_of(panel.moment),
        )

    def caption() -> str:
        spec = panel.seen_spec
        return (
            f"{spec.hidden_units} units, ρ {spec.rho:g}, β {spec.beta:g}, λ {spec.lam:g}, "
            f"{field_in_words(spec, 'solver')}, seed {spec.seed}"
            + ("" if panel.moment is None else f", after step {panel.moment.snapshot.step}")
        )

    def there() -> bool:
        return panel.weights is not None

    def read() -> bool:
        return panel.reading is not None

    def activations() -> bytes:
        assert panel.reading is not None
        rho_hat = panel.reading.rho_hat
        return columns_csv({"unit": np.arange(len(rho_hat)), "mean_activation": rho_hat})

    def histogram() -> bytes:
        counts, edges = panel.histogram.counts_of(panel.all_weights())
        return columns_csv({"from": edges[:-1], "to": edges[1:], "count": counts})

    make = Maker(lab, zoom, settings, caption)
    return [
        make.picture("filters", "Filters", panel.filters),
        make.picture("patches", "Patches as they are", data.before, captioned=False),
        make.picture("normalized", "Normalised patches", data.after, captioned=False),
        make.picture("reconstructions", "Reconstructions", panel.reconstructions),
        make.plot("curves", "Cost curves", panel.cost, make.trained, make.curves),
        make.plot("activations", "Mean activations", panel.bars, read, activations),
        make.plot("histogram", "Weight histogram", panel.histogram, there, histogram),
        make.weights("weights", "Weights", lambda: panel.weights),
    ]
