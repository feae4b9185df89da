"""What a run folder gives as files: the same pictures, curves and numbers as the window."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.chart import Chart, Curve
from app.core.convnet_exports import export_convnet, make
from app.core.curves import bin_curve
from app.core.data.cutting import cut_patches
from app.core.data.patches import Patches
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.errors import FilterscopeError, UsageError
from app.core.export import (
    curves_csv,
    mosaic_png,
    mosaic_svg,
    settings_text,
    weights_npz,
    weights_safetensors,
)
from app.core.history import History
from app.core.models.autoencoder import pca_bound
from app.core.mosaic import Mosaic, mosaic
from app.core.params import describe
from app.core.probe import Probe
from app.core.runs import RunFolder
from app.core.script import repeat_script
from app.core.specs import AutoencoderSpec
from app.core.tensorboard import event_file

__all__ = ["cost_chart", "export_run", "reconstruction_mosaic"]

COLOURS = {"J": "#161b22", "reconstruction": "#2f6fed", "decay": "#1f8a5b", "sparsity": "#c9700f"}
SHOWN = 32


def export_run(
    run: RunFolder, what: str, kind: str, *, zoom: int = 8, scale: str = "own"
) -> tuple[bytes, list[str]]:
    """Return one thing of a run as the bytes of a file, and what a person should know.

    Parameters
    ----------
    what : str
        ``filters``, ``reconstructions``, ``curves``, ``weights``, ``report`` or ``script``.
    kind : str
        The file's ending: png, svg, csv, tfevents, npz, safetensors, pt, onnx, html or py.

    Raises
    ------
    UsageError
        There is no such thing, or not of that kind.
    """
    if run.info.kind == "cnn":
        return export_convnet(run, what, kind, zoom=zoom, scale=scale)
    maker = _Maker(run, zoom, scale)
    makers: dict[str, dict[str, Callable[[], bytes]]] = {
        "filters": {"png": maker.filters_png, "svg": maker.filters_svg},
        "reconstructions": {"png": maker.reconstructions_png, "svg": maker.reconstructions_svg},
        "curves": {
            "csv": maker.curves_csv,
            "svg": maker.curves_svg,
            "png": maker.curves_png,
            "tfevents": maker.curves_tfevents,
        },
        "weights": {"npz": maker.weights_npz, "safetensors": maker.weights_safetensors},
        "report": {"html": maker.report},
        "script": {"py": maker.script},
    }
    return make(makers, what, kind), maker.notes


class _Maker:
    """Reads what it needs of a run, once."""

    def __init__(self, run: RunFolder, zoom: int, scale: str) -> None:
        self.run, self.info = run, run.info
        self.spec, self.preprocess = run.info.autoencoder
        self.zoom, self.scale = zoom, scale
        self.notes: list[str] = []
        self._patches: Patches | None = None
        self._weights: dict[str, NDArray[np.float32]] | None = None

    @property
    def weights(self) -> dict[str, NDArray[np.float32]]:
        if self._weights is None:
            _, self._weights, note = self.run.read_weights()
            if note:
                self.notes.append(note)
        return self._weights

    @property
    def patches(self) -> Patches:
        """The run's own data; it must be what it was."""
        if self._patches is None:
            self._patches = reopen(self.run)
        return self._patches

    def text(self) -> dict[str, str]:
        info = self.info
        return settings_text(
            self.spec, self.preprocess, run_id=info.run_id, data_sha256=info.source.sha256
        )

    def caption(self) -> str:
        return caption(self.spec)

    def filters(self) -> Mosaic:
        """W1 as tiles, in pixel space when the data was whitened."""
        columns: NDArray[Any] = self.weights["W1"]
        if self.preprocess.whiten != "none":
            columns = self.patches.fitted.to_pixels(columns)
        return mosaic(columns.T.reshape(-1, *self._shape()), scale=self.scale)  # type: ignore[arg-type]

    def _shape(self) -> tuple[int, int, int]:
        channels, height, width = self.info.source.shape
        return (1 if self.preprocess.grayscale else channels), height, width

    def filters_png(self) -> bytes:
        return mosaic_png(self.filters(), self.zoom, self.text())

    def filters_svg(self) -> bytes:
        return mosaic_svg(self.filters(), self.zoom, "Filters", self.caption())

    def reconstructions(self) -> Mosaic:
        return reconstruction_mosaic(self.patches, self.weights, self.spec)

    def reconstructions_png(self) -> bytes:
        return mosaic_png(self.reconstructions(), self.zoom, self.text())

    def reconstructions_svg(self) -> bytes:
        words = "rows: input, output, residual; " + self.caption()
        return mosaic_svg(self.reconstructions(), self.zoom, "Reconstructions", words)

    def history(self) -> History:
        history, note = self.run.read_history()
        if note:
            self.notes.append(note)
        return history

    def curves_csv(self) -> bytes:
        return curves_csv(self.history(), self.spec, self.info.steps_per_epoch)

    def chart(self) -> Chart:
        bound = None
        try:
            bound = pca_bound(self.patches.x, self.spec.hidden_units)
        except FilterscopeError as error:
            self.notes.append(f"No PCA bound is drawn: {error.message}")
        return cost_chart(self.history(), self.spec, self.info.steps_per_epoch, bound)

    def curves_svg(self) -> bytes:
        return self.chart().svg()

    def curves_png(self) -> bytes:
        return self.chart().png()

    def curves_tfevents(self) -> bytes:
        outcome = self.info.outcome
        return event_file(
            self.history(), self.info.started, 0.0 if outcome is None else outcome.seconds
        )

    def weights_npz(self) -> bytes:
        return weights_npz(self.weights)

    def weights_safetensors(self) -> bytes:
        return weights_safetensors(self.weights, self.text())

    def script(self) -> bytes:
        return repeat_script(self.info, self.history()).encode()

    def report(self) -> bytes:
        """One self-contained page: filters, reconstructions, curves, settings."""
        figures = [("Filters", _inline_png(mosaic_png(self.filters(), 4)), self.caption())]
        try:
            picture = _inline_png(mosaic_png(self.reconstructions(), 4))
            figures.append(("Reconstructions", picture, "Rows: input, output, residual."))
        except FilterscopeError as error:
            self.notes.append(f"No reconstructions are shown: {error.message}")
        chart = self.chart().svg().decode().partition("?>")[2]
        rows = [
            (p.hyper.label, p.name, str(getattr(spec, p.name)))
            for spec in (self.spec, self.preprocess)
            for p in describe(type(spec))
        ]
        # A file's name may be no text.
        return _page(self.info, figures, chart, rows).encode(errors="backslashreplace")


def caption(spec: AutoencoderSpec) -> str:
    """One line of settings, for below a picture."""
    return (
        f"{spec.hidden_units} units, ρ {spec.rho:g}, β {spec.beta:g}, λ {spec.lam:g}, "
        f"{spec.solver}, seed {spec.seed}"
    )


def reopen(run: RunFolder) -> Patches:
    """Open the data of a run again and preprocess it as it was.

    Raises
    ------
    FilterscopeError
        It is not there any more, or is not what it was.
    """
    source = run.info.source
    if source.dataset.startswith("cut "):
        seed = source.dataset.rpartition(" ")[2]
        if not re.fullmatch("[0-9]{1,19}", seed):
            raise UsageError(f"“{source.dataset}” does not say how the patches were cut.")
        raw = cut_patches(source.path, size=source.shape[1], count=source.count, seed=int(seed))
    else:
        raw = open_patches(
            source.path,
            dataset=source.dataset,
            layout=source.layout,
            value_range=source.value_range,
        )
    if raw.source.sha256 != source.sha256:
        raise UsageError(f"{Path(source.path).name} is not what it was when the run was made.")
    return preprocess(raw, run.info.autoencoder[1])


def reconstruction_mosaic(
    patches: Patches, weights: dict[str, NDArray[np.float32]], spec: AutoencoderSpec
) -> Mosaic:
    """Return rows of inputs, outputs and residuals below each other."""
    probe = Probe(patches, spec.held_out)
    rows = probe.choose("spread", SHOWN, None)
    output = probe.reconstruct(weights, rows, spec.decoder)
    low, high = (
        (0.1, 0.9)
        if patches.fitted.spec.rescale
        else map(float, np.percentile(probe.x, (0.5, 99.5)))
    )
    residual = rows - output
    reach = max(float(np.abs(residual).max()), 1e-12)
    bands = np.stack(
        [(rows - low) / (high - low), (output - low) / (high - low), 0.5 + residual / reach / 2]
    )
    columns = 16 if len(rows) % 16 == 0 else len(rows)
    tiles = bands.reshape(3, -1, columns, *patches.image_shape).swapaxes(0, 1)
    return mosaic(tiles.reshape(-1, *patches.image_shape), columns=columns, scale="unit")


def cost_chart(
    history: History, spec: AutoencoderSpec, steps_per_epoch: int, bound: float | None
) -> Chart:
    """Return J and its terms against epochs, with marks where live values moved."""
    x = history.steps / max(steps_per_epoch, 1)
    values = np.hstack([history.terms.sum(axis=1, keepdims=True), history.terms])
    binned = bin_curve(x, values, 600, log_x=True)
    names = ("J", *history.term_names)
    curves = [
        Curve(name, COLOURS.get(name, "#161b22"), binned.x, binned.mean[:, number])
        for number, name in enumerate(names)
        if np.any(binned.mean[:, number])
    ]
    symbols = {p.name: p.hyper.symbol for p in describe(type(spec))}
    marks = [
        (
            (step + 1) / max(steps_per_epoch, 1),
            f"{symbols.get(c.name, c.name)} {c.old:g} → {c.new:g}",
        )
        for step, c in history.changes
    ]
    level = None if bound is None else (bound, f"PCA, {spec.hidden_units} components")
    label = "iteration" if spec.solver == "lbfgs" else "epoch"
    return Chart(curves, label, "cost", True, True, level, marks, "Cost")


def _inline_png(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _page(
    info: Any, figures: list[tuple[str, str, str]], chart: str, rows: list[tuple[str, str, str]]
) -> str:
    """Return the report's HTML; everything from a file is escaped."""
    pictures = "".join(
        f"<figure><h2>{html.escape(title)}</h2><img src='{data}' alt='{html.escape(title)}'>"
        f"<figcaption>{html.escape(words)}</figcaption></figure>"
        for title, data, words in figures
    )
    table = "".join(
        f"<tr><td>{html.escape(label)}</td><td><code>{html.escape(name)}</code></td>"
        f"<td>{html.escape(value)}</td></tr>"
        for label, name, value in rows
    )
    outcome = info.outcome
    final = ""
    if outcome is not None and outcome.terms is not None:
        final = f"J {sum(outcome.terms):.5g} after {outcome.epoch:g} epochs in {outcome.seconds:.1f} s. "
    title = html.escape(f"Sparse autoencoder, {Path(info.source.path).name}")
    versions = html.escape(json.dumps(info.versions))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 sans-serif; color: #161b22; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.1rem; margin: 1.5rem 0 .5rem; }} figure {{ margin: 0; }}
img {{ image-rendering: pixelated; max-width: 100%; }} figcaption, footer {{ color: #626b76; font-size: .85rem; }}
td {{ padding: .1rem 1.2rem .1rem 0; }} svg {{ max-width: 100%; height: auto; }}
</style></head><body><h1>{title}</h1><p>{html.escape(final)}</p>{pictures}
<h2>Cost</h2>{chart}<h2>Settings</h2><table>{table}</table>
<footer>Run {html.escape(info.run_id)}, {html.escape(info.started)}, {html.escape(info.engine)}.
Data SHA-256 {html.escape(info.source.sha256)}. {versions}</footer></body></html>
"""
