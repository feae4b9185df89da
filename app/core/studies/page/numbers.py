"""The numbers of a study's page: what each trial gave, and maps of them over the settings."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np

from app.core.errors import FilterscopeError
from app.core.models.autoencoder import pca_bound
from app.core.probe import Probe
from app.core.studies.page.material import StudyMaterial, heading
from app.core.studies.pictures import parallel_chart
from app.core.studies.results import TrialResult, heat_map
from app.core.takeaway.contents import AutoencoderContents
from app.core.takeaway.page import Figure, Grid, Section, Table

__all__ = ["maps_section", "outcomes_section"]

MOST_MAPS = 3


def outcomes_section(study: StudyMaterial, name: str) -> list[Section]:
    """Return the table of what each trial gave."""
    autoencoder = study.spec.kind == "autoencoder"
    rows = [
        [study.words(trial), *_cells(study, trial, autoencoder)] for trial in study.results.trials
    ]
    if not rows:
        return []
    head = ["", heading(study.results.objective)]
    if len(study.spec.seeds) > 1:
        head.append("Least … greatest")
    if autoencoder:
        head += ["Reconstruction", "Decay", "Sparsity", "PCA bound", "Activation"]
    else:
        head += ["Loss at the end"]
    head += ["Epochs", "Seconds", "Runs"]
    text = []
    if autoencoder:
        text.append(
            "Means over the seeds. The PCA bound is the least reconstruction error of any "
            "linear code with as many numbers; the activation is that of all units, beside ρ."
        )
    table = Table(head, rows, numbers=tuple(range(1, len(head))))
    return [Section(heading(f"{name}outcomes"), text, tables=[table])]


def _cells(study: StudyMaterial, trial: TrialResult, autoencoder: bool) -> list[str]:
    known, written = trial.known, study.results.written
    cells = ["–" if trial.mean is None else written(trial.mean)]
    if len(study.spec.seeds) > 1:
        ends = (min(known), max(known)) if known else ()
        cells.append(" … ".join(written(end) for end in ends) or "–")
    infos = [run.info for run in trial.runs if run is not None]
    outcomes = [info.outcome for info in infos if info.outcome is not None]
    terms = [outcome.terms for outcome in outcomes if outcome.terms]
    means = np.mean(terms, axis=0) if terms and len({len(t) for t in terms}) == 1 else []
    if autoencoder:
        cells += [f"{value:.4g}" for value in means] or ["–"] * 3
        cells += [_bound(study, trial), _activation(study, trial)]
    else:
        cells.append(f"{float(np.sum(means)):.4g}" if len(means) else "–")
    epochs = [outcome.epoch for outcome in outcomes]
    seconds = [outcome.seconds for outcome in outcomes]
    cells.append(f"{float(np.mean(epochs)):.4g}" if epochs else "–")
    cells.append(f"{float(np.mean(seconds)):.1f}" if seconds else "–")
    states = Counter(trial.states)
    return [*cells, ", ".join(f"{count} {state}" for state, count in states.items())]


def _bound(study: StudyMaterial, trial: TrialResult) -> str:
    run = trial.shown_run
    if run is None or study.patches is None:
        return "–"
    try:
        return f"{pca_bound(study.patches.x, run.info.autoencoder[0].hidden_units):.4g}"
    except FilterscopeError:
        return "–"


def _activation(study: StudyMaterial, trial: TrialResult) -> str:
    run = trial.shown_run
    if run is None or study.patches is None:
        return "–"
    contents = study.contents(run)
    assert isinstance(contents, AutoencoderContents)
    try:
        reading = Probe(study.patches, contents.spec.held_out).read(
            contents.weights, contents.spec.decoder
        )
    except FilterscopeError:
        return "–"
    return f"{float(reading.rho_hat.mean()):.3g}"


def maps_section(study: StudyMaterial, name: str) -> list[Section]:
    """Return heat maps of each two settings that vary, and parallel coordinates."""
    if len(study.spec.vary) < 2 or not any(t.mean is not None for t in study.results.trials):
        return []
    figures = []
    pairs = list(itertools.combinations([one.name for one in study.spec.vary], 2))
    for row, column in pairs[:MOST_MAPS]:
        found = heat_map(study.results, row, column)
        if found is None:
            continue
        percent = study.spec.objective == "accuracy"
        grid = Grid(
            found.values,
            *found.words,
            *found.names,
            ".1%" if percent else ".4g",
        )
        words = f"Mean {study.results.objective}; darker is more."
        over = " and ".join(found.names)
        alt = f"{study.results.objective} over {over}"
        figures.append(Figure(grid, words, alt, over))
    least = "least" if study.spec.least_is_best else "most"
    figures.append(
        Figure(
            parallel_chart(study.results),
            f"Each line is a trial; blue has the {least} {study.results.objective}, the best is "
            "thick.",
            "Trials as lines across their settings and what they gave",
            "All trials",
        )
    )
    return [Section(heading(f"{name}all settings together"), figures=figures)]
