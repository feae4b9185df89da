"""What the run of a convolutional network gives as files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from app.core.chart import Chart, Curve
from app.core.curves import bin_curve
from app.core.errors import UsageError
from app.core.export import (
    curves_csv,
    mosaic_png,
    mosaic_svg,
    settings_text,
    weights_npz,
    weights_safetensors,
)
from app.core.history import History
from app.core.mosaic import Mosaic, Scale, mosaic
from app.core.nn.network import Network
from app.core.runs import RunFolder
from app.core.specs import ConvNetSpec
from app.core.tensorboard import event_file
from app.core.torch_exports import onnx_bytes, state_dict_bytes
from app.core.torch_script import torch_script

__all__ = ["accuracy_chart", "export_convnet", "filter_mosaic", "make"]

COLOURS = {
    "loss": "#2f6fed",
    "batch": "#9aa4b2",
    "train": "#1f8a5b",
    "validation": "#c9700f",
}


def make(makers: Mapping[str, Mapping[str, Callable[[], bytes]]], what: str, kind: str) -> bytes:
    """Return one thing of a run as the bytes of a file of one kind.

    Raises
    ------
    UsageError
        There is no such thing, or not of that kind.
    """
    if what not in makers:
        raise UsageError(f"There is no “{what}” to export; there are {', '.join(makers)}.")
    kinds = makers[what]
    if kind not in kinds:
        raise UsageError(
            f"{what} cannot be a .{kind or '(none)'} file.",
            f"It can be {', '.join('.' + k for k in kinds)}.",
        )
    return kinds[kind]()


def export_convnet(
    run: RunFolder, what: str, kind: str, *, zoom: int = 8, scale: str = "own"
) -> tuple[bytes, list[str]]:
    """Return ``filters``, ``curves``, ``weights`` or ``script`` of a run; see `export_run`."""
    maker = _Maker(run, zoom, scale)
    makers: dict[str, dict[str, Callable[[], bytes]]] = {
        "filters": {"png": maker.filters_png, "svg": maker.filters_svg},
        "curves": {
            "csv": maker.curves_csv,
            "svg": maker.curves_svg,
            "png": maker.curves_png,
            "tfevents": maker.curves_tfevents,
        },
        "weights": {
            "npz": maker.weights_npz,
            "safetensors": maker.weights_safetensors,
            "pt": maker.weights_pt,
            "onnx": maker.weights_onnx,
        },
        "script": {"py": maker.script},
    }
    return make(makers, what, kind), maker.notes


class _Maker:
    """Reads what it needs of a run, once."""

    def __init__(self, run: RunFolder, zoom: int, scale: str) -> None:
        self.run, self.info = run, run.info
        self.spec, self.images = run.info.convnet
        self.zoom, self.scale = zoom, scale
        self.notes: list[str] = []
        self._weights: dict[str, NDArray[np.float32]] | None = None

    @property
    def weights(self) -> dict[str, NDArray[np.float32]]:
        """What validation chose, or the last weights where nothing was validated."""
        if self._weights is None:
            step, self._weights, note = self.run.read_weights(best=True)
            self.notes.extend([note] if note else [])
            if self.info.best is not None and step == self.info.best.step:
                self.notes.append(
                    f"The weights are those of step {step}, {self.info.best.accuracy:.1%} right "
                    "on validation images."
                )
        return self._weights

    def text(self) -> dict[str, str]:
        return settings_text(
            self.spec, self.images, run_id=self.info.run_id, data_sha256=self.info.source.sha256
        )

    def caption(self) -> str:
        return f"{self.spec.layers}; {self.spec.solver}, seed {self.spec.seed}"

    def filters_png(self) -> bytes:
        return mosaic_png(filter_mosaic(self.weights, self.scale), self.zoom, self.text())

    def filters_svg(self) -> bytes:
        tiles = filter_mosaic(self.weights, self.scale)
        return mosaic_svg(tiles, self.zoom, "First-layer filters", self.caption())

    def history(self) -> History:
        history, note = self.run.read_history()
        self.notes.extend([note] if note else [])
        return history

    def curves_csv(self) -> bytes:
        return with_accuracies(
            curves_csv(self.history(), self.spec, self.info.steps_per_epoch), self.history()
        )

    def chart(self) -> Chart:
        return accuracy_chart(self.history(), self.spec, self.info.steps_per_epoch)

    def curves_svg(self) -> bytes:
        return self.chart().svg()

    def curves_png(self) -> bytes:
        return self.chart().png()

    def curves_tfevents(self) -> bytes:
        outcome = self.info.outcome
        seconds = 0.0 if outcome is None else outcome.seconds
        return event_file(self.history(), self.info.started, seconds)

    def weights_npz(self) -> bytes:
        return weights_npz(self.weights)

    def weights_safetensors(self) -> bytes:
        return weights_safetensors(self.weights, self.text())

    def network(self) -> Network:
        network = Network(self.spec.rows, self.info.source.shape, len(self.info.classes))
        network.load(self.weights)
        return network

    def weights_pt(self) -> bytes:
        return state_dict_bytes(self.network())

    def weights_onnx(self) -> bytes:
        shift, factor = self.run.read_normalisation()
        text = {**self.text(), "classes": ", ".join(self.info.classes)}
        return onnx_bytes(self.network(), shift, factor, text)

    def script(self) -> bytes:
        return torch_script(self.info, self.history()).encode()


def filter_mosaic(weights: Mapping[str, NDArray[np.float32]], scale: Scale | str = "own") -> Mosaic:
    """Return the first convolution's filters (F, C, HH, WW) as tiles, each on its own scale.

    Filters of three channels are in colour. Of another number of channels each is a tile.

    Raises
    ------
    UsageError
        The network has no convolution at its start.
    """
    filters = weights["W1"]
    if filters.ndim != 4:
        raise UsageError("This network does not begin with filters.")
    if filters.shape[1] not in (1, 3):
        filters = filters.reshape(-1, 1, *filters.shape[2:])
    return mosaic(filters, scale=scale)  # type: ignore[arg-type]


def with_accuracies(table: bytes, history: History) -> bytes:
    """Return the table of curves with what was named rightly: each batch, and each evaluation."""
    rows = list(csv.reader(io.StringIO(table.decode())))
    evaluated = {evaluation.step: evaluation for evaluation in history.evaluations}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [*rows[0], "batch_accuracy", "train_accuracy", "validation_accuracy", "validation_loss"]
    )
    for row, step, accuracy in zip(
        rows[1:], history.steps.tolist(), history.accuracies.tolist(), strict=True
    ):
        found = evaluated.get(step)
        values = (
            (None, None, None)
            if found is None
            else (found.train_accuracy, found.validation_accuracy, found.validation_loss)
        )
        writer.writerow([*row, *("" if v is None else repr(v) for v in (accuracy, *values))])
    return out.getvalue().encode()


def accuracy_chart(history: History, spec: ConvNetSpec, steps_per_epoch: int) -> Chart:
    """Return the loss of the batches, and accuracies, against epochs."""
    per_epoch = max(steps_per_epoch, 1)
    x = history.steps / per_epoch
    loss = bin_curve(x, history.terms.sum(axis=1, keepdims=True), 600, log_x=False)
    curves = [Curve("loss", COLOURS["loss"], loss.x, loss.mean[:, 0])]
    at = np.array([evaluation.step for evaluation in history.evaluations]) / per_epoch
    for name, values in (
        ("train", [e.train_accuracy for e in history.evaluations]),
        ("validation", [e.validation_accuracy for e in history.evaluations]),
    ):
        known = np.array([np.nan if value is None else value for value in values], float)
        if np.isfinite(known).any():
            curves.append(Curve(f"{name} accuracy", COLOURS[name], at, known))
    marks = [
        ((step + 1) / per_epoch, f"{change.name} {change.old:g} → {change.new:g}")
        for step, change in history.changes
    ]
    return Chart(curves, "epoch", "loss and accuracy", False, False, None, marks, "Curves")
