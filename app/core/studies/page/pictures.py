"""The pictures of a study's page: patches, filters, reconstructions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.core.data.preprocess import apply
from app.core.errors import FilterscopeError
from app.core.mosaic import Mosaic, mosaic
from app.core.probe import Probe
from app.core.studies.page.material import INPUTS, StudyMaterial, heading
from app.core.studies.results import StudyResults, TrialResult
from app.core.takeaway.contents import AutoencoderContents
from app.core.takeaway.page import Figure, Section

__all__ = ["filters_section", "patches_section", "reconstructions_section"]

# So many patches are shown, as the exercise asks; so many of them reconstructed.
SHOWN, RECONSTRUCTED = 200, 49


def patches_section(study: StudyMaterial) -> list[Section]:
    """Return some patches as the file has them, and as the network sees them."""
    if study.raw is None or study.patches is None:
        return []
    rows = study.raw.spread(SHOWN)
    shown = study.raw.take(rows)
    prepared = apply(shown, study.patches.fitted)
    if not study.patches.fitted.spec.rescale:
        low, high = np.percentile(prepared, (0.5, 99.5))
        prepared = (prepared - low) / max(float(high - low), 1e-12)
    report = study.varied and study.patches.fitted.spec.grayscale
    first, second = (" (the report’s Figure 1)", " (its Figure 2)") if report else ("", "")
    before = mosaic(shown, columns=20, scale="unit")
    after = mosaic(prepared, columns=20, scale="unit")
    count = f"{before.count} of {study.raw.count:,} patches"
    return [
        Section(
            "Patches",
            figures=[
                Figure(before, f"{count}, as they are{first}.", f"{count}", "As they are", 2),
                Figure(
                    after,
                    f"The same, as the network sees them{second}.",
                    f"{count}, prepared",
                    "Prepared",
                    2,
                ),
            ],
            columns=2,
        )
    ]


def filters_section(study: StudyMaterial, name: str) -> list[Section]:
    """Return the filters of each trial; the title begins with `name`."""
    figures = []
    for trial, run in study.pictured:
        contents = study.contents(run)
        try:
            tiles = contents.filters()
        except FilterscopeError as error:
            study.notes.append(f"No filters of {study.words(trial)} are shown: {error.message}")
            continue
        height, width = tiles.tile_shape
        value = "" if trial.mean is None else _judged(study.results, trial)
        figures.append(
            Figure(
                tiles,
                f"{tiles.count} filters, seed {run.info.spec.seed}{value}"
                f"{study.figure_number(trial, 0)}.",
                f"{tiles.count} filters of {height} × {width} pixels, {study.words(trial)}",
                study.words(trial),
                zoom=2 if height >= 12 else 6,
            )
        )
    if not figures:
        return []
    text = "Each filter is on its own scale, from its least to its greatest weight."
    title = heading(f"{name}filters")
    return [Section(title, [text], figures, columns=min(len(figures), 3))]


def reconstructions_section(study: StudyMaterial, name: str) -> list[Section]:
    """Return the same patches, decoded after encoding by each trial."""
    if study.patches is None or not study.pictured:
        return []
    patches = study.patches
    held_out = study.pictured[0][1].info.autoencoder[0].held_out
    probe = Probe(patches, held_out)
    rows = probe.choose("spread", RECONSTRUCTED, None)
    low, high = (
        (0.1, 0.9)
        if patches.fitted.spec.rescale
        else map(float, np.percentile(probe.x, (0.5, 99.5)))
    )

    def picture(values: NDArray[np.float32]) -> Mosaic:
        tiles = ((values - low) / (high - low)).reshape(-1, *patches.image_shape)
        return mosaic(tiles, columns=7, scale="unit")

    which = INPUTS.get(study.varied, "")
    words = f" (the report’s Figure {which})" if which else ""
    figures = [
        Figure(picture(rows), f"{len(rows)} patches{words}.", "Patches, side by side", "Input", 2)
    ]
    for trial, run in study.pictured:
        contents = study.contents(run)
        assert isinstance(contents, AutoencoderContents)
        try:
            output = probe.reconstruct(contents.weights, rows, contents.spec.decoder)
        except FilterscopeError:
            continue
        error = 0.5 * float(np.square(output - rows).sum(axis=1).mean())
        caption = f"½‖d − o‖² of these: {error:.3g}{study.figure_number(trial, 1)}."
        alt = f"Reconstructions with {study.words(trial)}"
        figures.append(Figure(picture(output), caption, alt, study.words(trial), 2))
    text = "The same patches, decoded after encoding; black and white are the same for all."
    return [Section(heading(f"{name}reconstructions"), [text], figures, columns=4)]


def _judged(results: StudyResults, trial: TrialResult) -> str:
    value = next((value for value in trial.judged if value is not None), None)
    if value is None:
        return ""
    return f"; {results.objective} {results.written(value)}"
