"""What there is to be seen of a run: weights at its steps, pictures of them, curves, words.

Read once and only when asked for, so that a run whose data is gone gives all that needs no data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.chart import Chart, Curve
from app.core.convnet_exports import accuracy_chart, first_filters
from app.core.curves import bin_curve
from app.core.data.cutting import cut_patches
from app.core.data.image_preprocess import FittedImages, fit_images
from app.core.data.image_reader import open_images_again
from app.core.data.patches import Patches, Source
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.errors import FilterscopeError, UsageError
from app.core.export import settings_text
from app.core.history import History
from app.core.models.autoencoder import pca_bound
from app.core.mosaic import Mosaic, Scale, mosaic
from app.core.moved_data import check_place
from app.core.nn.looks import MIRRORED, scores_of_looks
from app.core.nn.network import Network
from app.core.params import describe, field_in_words
from app.core.predictions import Predictions
from app.core.probe import Probe, Reading, spread_rows
from app.core.runs import RunFolder
from app.core.specs import AutoencoderSpec
from app.core.waiting import Cancel, Progress

__all__ = [
    "AutoencoderContents",
    "Contents",
    "ConvNetContents",
    "contents_of",
    "cost_chart",
    "reconstruction_mosaic",
    "reopen",
]

Weights = Mapping[str, NDArray[np.float32]]

COLOURS = {"J": "#161b22", "reconstruction": "#2f6fed", "decay": "#1f8a5b", "sparsity": "#c9700f"}
SHOWN = 32
# Images that a confusion matrix is counted from.
MOST_IMAGES = 2_000


class Contents:
    """What all runs have; see `contents_of`.

    Attributes
    ----------
    notes : list of str
        What a person should know of what was made: each a sentence.
    """

    def __init__(
        self, run: RunFolder, *, cancel: Cancel | None = None, progress: Progress | None = None
    ) -> None:
        self.run, self.info = run, run.info
        self.cancel, self.progress = cancel, progress
        self.notes: list[str] = []

    def note(self, words: str) -> None:
        """Keep a sentence, once."""
        if words and words not in self.notes:
            self.notes.append(words)

    @cached_property
    def history(self) -> History:
        """Every recorded step."""
        history, note = self.run.read_history()
        self.note(note)
        return history

    @cached_property
    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The weights that count: the last, or those that validation chose."""
        _, weights, note = self.run.read_weights()
        self.note(note)
        return weights

    def text(self) -> dict[str, str]:
        """Return every setting, for a picture's text chunks."""
        info = self.info
        specs = (info.spec, info.preprocess)
        return settings_text(*specs, run_id=info.run_id, data_sha256=info.source.sha256)

    def epoch_of(self, step: int) -> float:
        """Return how many epochs so many steps are."""
        return step / max(self.info.steps_per_epoch, 1)

    def caption(self) -> str:
        """Return one line of settings, for below a picture."""
        raise NotImplementedError

    def chart(self) -> Chart:
        """Return the run's curves."""
        raise NotImplementedError

    def charts(self) -> list[Chart]:
        """Return the curves as charts that have one unit each."""
        return [self.chart()]

    def tiles(self, weights: Weights) -> NDArray[Any]:
        """Return what `weights` look for as tiles (n, C, H, W); raises `UsageError`."""
        raise NotImplementedError

    def shape_of_tiles(self, weights: Weights) -> tuple[int, ...]:
        """Return the shape of `tiles`, without what it takes to compute them."""
        return self.tiles(weights).shape

    def filters(self, scale: Scale | str = "own", weights: Weights | None = None) -> Mosaic:
        """Return the filters side by side, of the run's end or of other weights."""
        tiles = self.tiles(self.weights if weights is None else weights)
        return mosaic(tiles, scale=scale)  # type: ignore[arg-type]


class AutoencoderContents(Contents):
    """Filters, reconstructions and activations of an autoencoder."""

    def __init__(self, run: RunFolder, **more: Any) -> None:
        super().__init__(run, **more)
        self.spec, self.preprocess = run.info.autoencoder

    @cached_property
    def patches(self) -> Patches:
        """The run's own data; raises `FilterscopeError` when it is not what it was."""
        return reopen(self.run)

    @cached_property
    def reading(self) -> Reading:
        """What the units do at the end."""
        return Probe(self.patches, self.spec.held_out).read(self.weights, self.spec.decoder)

    @cached_property
    def spec_at_the_end(self) -> AutoencoderSpec:
        """The settings of the last step: what was moved while it trained, where it was left."""
        moved = {change.name: change.new for _, change in self.history.changes}
        known = {name: value for name, value in moved.items() if hasattr(self.spec, name)}
        return self.spec.changed(**known)

    def caption(self) -> str:
        """Return one line of settings, for below a picture; of a moved one both ends."""
        spec, last = self.spec, self.spec_at_the_end
        moving = [
            f"{symbol} {first:g}" + (f" → {end:g}" if end != first else "")
            for symbol, first, end in (
                ("ρ", spec.rho, last.rho),
                ("β", spec.beta, last.beta),
                ("λ", spec.lam, last.lam),
            )
        ]
        solver = field_in_words(spec, "solver")
        return f"{spec.hidden_units} units, {', '.join(moving)}, {solver}, seed {spec.seed}"

    def tiles(self, weights: Weights) -> NDArray[Any]:
        """Return W1 as tiles (L, C, H, W), in pixel space when the data was whitened."""
        columns: NDArray[Any] = weights["W1"]
        if self.preprocess.whiten != "none":
            columns = self.patches.fitted.to_pixels(columns)
        return columns.T.reshape(self.shape_of_tiles(weights))

    def shape_of_tiles(self, weights: Weights) -> tuple[int, ...]:
        """Return (L, C, H, W), for which no data is needed."""
        channels, height, width = self.info.source.shape
        channels = 1 if self.preprocess.grayscale else channels
        return weights["W1"].shape[1], channels, height, width

    def reconstructions(self) -> Mosaic:
        """Return rows of inputs, outputs and residuals."""
        return reconstruction_mosaic(self.patches, self.weights, self.spec)

    def chart(self) -> Chart:
        """Return J and its terms, beside what PCA reaches."""
        bound = None
        try:
            bound = pca_bound(self.patches.x, self.spec.hidden_units)
        except FilterscopeError as error:
            self.note(f"No PCA bound is drawn: {error.message}")
        return cost_chart(self.history, self.spec, self.info.steps_per_epoch, bound)


class ConvNetContents(Contents):
    """First-layer filters and answers of a convolutional network."""

    def __init__(self, run: RunFolder, **more: Any) -> None:
        super().__init__(run, **more)
        self.spec, self.preprocess = run.info.convnet

    @cached_property
    def weights(self) -> dict[str, NDArray[np.float32]]:
        """What validation chose, or the last weights where nothing was validated."""
        step, weights, note = self.run.read_weights(best=True)
        self.note(note)
        if self.info.best is not None and step == self.info.best.step:
            # Other programs look as they like: who gets the file must know how it was judged.
            how = f", {MIRRORED}" if self.spec.mirror_looks else ""
            self.note(
                f"The weights are those of step {step}, {self.info.best.accuracy:.1%} right "
                f"on validation images{how}."
            )
        return weights

    def caption(self) -> str:
        """Return one line of settings, for below a picture."""
        model = self.info.model
        layers = self.spec.layers if model is None else f"own model {model.name}"
        return f"{layers}; {field_in_words(self.spec, 'solver')}, seed {self.spec.seed}"

    def tiles(self, weights: Weights) -> NDArray[Any]:
        """Return the first convolution's filters as tiles, see `first_filters`."""
        return first_filters(weights)

    def chart(self) -> Chart:
        """Return loss and accuracies."""
        return accuracy_chart(self.history, self.spec, self.info.steps_per_epoch)

    def charts(self) -> list[Chart]:
        """Return loss and accuracies apart, these in per cent and beside what guessing reaches."""
        both = self.chart()
        found = [replace(both, curves=both.curves[:1], y_label="loss", title="Loss")]
        if len(both.curves) > 1:
            chance = 100 / max(len(self.info.classes), 1)
            found.append(
                replace(
                    both,
                    curves=[replace(curve, y=100 * curve.y) for curve in both.curves[1:]],
                    y_label="per cent right",
                    level=(chance, f"chance, {chance:.3g} %"),
                    title="Accuracy",
                    fitted=True,
                )
            )
        return found

    @cached_property
    def network(self) -> Network:
        """The network with the weights that count; raises `UsageError` for an own model."""
        if self.info.model is not None:
            self.info.needs_no_file()
        network = Network(self.spec.rows, self.info.source.shape, len(self.info.classes))
        network.load(self.weights)
        return network

    @cached_property
    def images(self) -> FittedImages:
        """The run's own images, normalised as they were; raises `FilterscopeError`."""
        check_place(self.run)
        shift, factor = self.run.read_normalisation()
        source = Source(**self.info.source.model_dump())
        images = open_images_again(source, cancel=self.cancel, progress=self.progress)
        return fit_images(images, self.preprocess, {"shift": shift, "factor": factor})

    @cached_property
    def predictions(self) -> Predictions:
        """What the network says of validation images, spread over all there are.

        Raises
        ------
        FilterscopeError
            There are none, or not any more.
        """
        kept = self.images.split.validation
        if not len(kept):
            raise UsageError("no image was kept for validation.")
        rows = kept[spread_rows(len(kept), MOST_IMAGES)]
        network, images = self.network, self.images

        def ask(mirrored: bool) -> NDArray[Any]:
            parts = [
                network.scores(images.rows(rows[start : start + 100], mirrored=mirrored))
                for start in range(0, len(rows), 100)
            ]
            return np.concatenate(parts)

        scores = scores_of_looks(ask, self.spec.mirror_looks)
        return Predictions.of_scores(rows, images.labels(rows), scores)


def contents_of(
    run: RunFolder, *, cancel: Cancel | None = None, progress: Progress | None = None
) -> AutoencoderContents | ConvNetContents:
    """Return what there is to be seen of a run."""
    if run.info.kind == "cnn":
        return ConvNetContents(run, cancel=cancel, progress=progress)
    return AutoencoderContents(run, cancel=cancel, progress=progress)


def reopen(run: RunFolder) -> Patches:
    """Open the data of a run again and preprocess it as it was.

    Raises
    ------
    FilterscopeError
        It is not there any more, or is not what it was.
    """
    check_place(run)
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


def reconstruction_mosaic(patches: Patches, weights: Weights, spec: AutoencoderSpec) -> Mosaic:
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
        for step, c in history.moves()
    ]
    level = None if bound is None else (bound, f"PCA, {spec.hidden_units} components")
    label = "iteration" if spec.solver == "lbfgs" else "epoch"
    return Chart(curves, label, "cost", True, True, level, marks, "Cost")
