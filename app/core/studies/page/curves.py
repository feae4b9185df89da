"""The curves of a study's page: all trials together, and each as the report draws it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.core.chart import Chart, Curve
from app.core.compare.curves import RunCurve, curve_of, overlay_chart, together
from app.core.errors import FilterscopeError
from app.core.studies.page.material import StudyMaterial, heading
from app.core.studies.results import TrialResult
from app.core.takeaway.page import Figure, Section

__all__ = ["curves_sections"]

PALETTE = ("#2f6fed", "#c9700f", "#1f8a5b", "#b0447c", "#6a5acd", "#8a6d1f", "#2a8fa0", "#a0392a")
# More trials than these are in the table only.
MOST_CURVES = 8


def _histories(study: StudyMaterial) -> list[tuple[TrialResult, list[RunCurve]]]:
    what = "validation" if study.accuracy else "cost"
    found = []
    for place, (trial, _) in enumerate(study.pictured[:MOST_CURVES]):
        curves = []
        for run in trial.runs:
            if run is None:
                continue
            contents = study.contents(run)
            try:
                history = contents.history
            except FilterscopeError as error:
                study.notes.append(error.message)
                continue
            colour = PALETTE[place % len(PALETTE)]
            curves.append(curve_of(run.info, history, what, "epoch", colour=colour))
        curves = [curve for curve in curves if len(curve.x)]
        if curves:
            found.append((trial, curves))
    return found


def curves_sections(study: StudyMaterial, name: str) -> list[Section]:
    """Return cost or accuracy against epochs; of a study of the report each trial alone too."""
    found = _histories(study)
    if not found:
        return []
    title = "accuracy" if study.accuracy else "cost"
    joined = [together(curves, study.words(trial), curves[0].colour) for trial, curves in found]
    if study.accuracy:
        words = "Per cent of validation images that are named rightly."
        chart = overlay_chart(joined, "validation", "epoch")
    else:
        words = "Mean J of each epoch, on logarithmic axes."
        chart = _epoch_chart(joined, log=True)
    if any(len(curves) > 1 for _, curves in found):
        words += " The band reaches from the least to the greatest of the seeds."
    figures = [Figure(chart, words, f"{title} of each trial against epochs")]
    sections = [Section(heading(f"{name}{title}"), figures=figures)]
    if study.varied:
        each = [_alone(study, trial, curves) for trial, curves in found]
        each_title = heading(f"{name}{title} of each")
        sections.append(Section(each_title, figures=each, columns=3))
    return sections


def _alone(study: StudyMaterial, trial: TrialResult, curves: list[RunCurve]) -> Figure:
    """Return the cost of one trial as the report draws it, on plain axes."""
    words = study.words(trial)
    chart = _epoch_chart([together(curves, words, curves[0].colour)])
    caption = f"Mean J of each epoch{study.figure_number(trial, 2)}."
    return Figure(chart, caption, f"J against epochs with {words}", words)


def _epoch_chart(curves: Sequence[RunCurve], *, log: bool = False) -> Chart:
    """Return the mean of each epoch, with the band of the seeds."""
    lines = []
    for curve in curves:
        epochs = np.ceil(curve.x - 1e-9).astype(np.int64)
        starts = np.flatnonzero(np.diff(epochs, prepend=-1))
        counts = np.diff(np.append(starts, len(epochs)))[:, None]
        means = np.add.reduceat(curve.y, starts, axis=0) / counts
        many = means.shape[1] > 1
        lines.append(
            Curve(
                curve.name if len(curves) > 1 else "",
                curve.colour,
                epochs[starts].astype(np.float64),
                means.mean(axis=1),
                low=means.min(axis=1) if many else None,
                high=means.max(axis=1) if many else None,
            )
        )
    return Chart(lines, "epoch", "J", log, log, title="J")
