"""The page of a study, or of both studies of the report: its Figures 1 to 14 in their order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.chart import Chart, Curve
from app.core.compare.curves import RunCurve, curve_of, overlay_chart, together
from app.core.data.files import Cancel
from app.core.data.patches import Patches, RawPatches
from app.core.data.preprocess import apply, preprocess
from app.core.data.reader import open_patches
from app.core.errors import Cancelled, FilterscopeError
from app.core.models.autoencoder import pca_bound
from app.core.mosaic import Mosaic, mosaic
from app.core.probe import Probe
from app.core.runs import RunFolder
from app.core.runs.info import versions
from app.core.studies.pictures import parallel_chart
from app.core.studies.presets import STUDY_PRESETS
from app.core.studies.results import (
    StudyResults,
    TrialResult,
    heat_map,
    name_of,
    shown_value,
    words_of,
)
from app.core.takeaway.contents import AutoencoderContents, Contents, contents_of
from app.core.takeaway.page import Figure, Grid, Page, Section, Table
from app.core.takeaway.report import settings_tables

__all__ = ["study_page"]

PALETTE = ("#2f6fed", "#c9700f", "#1f8a5b", "#b0447c", "#6a5acd", "#8a6d1f", "#2a8fa0", "#a0392a")
# So many patches are shown, as the exercise asks; so many of them reconstructed.
SHOWN, RECONSTRUCTED = 200, 49
# More trials than these are in the table and the charts only.
MOST_PICTURES, MOST_CURVES = 12, 8
MOST_MAPS = 3
# Which figures of the report show what: filters, reconstructions and cost of each value.
FIGURES: dict[str, dict[Any, tuple[str, str, str]]] = {
    "rho": {0.2: ("3", "6", ""), 0.5: ("3", "", ""), 0.8: ("4", "", "")},
    "hidden_units": {25: ("7", "", "13"), 64: ("8", "", ""), 100: ("9", "12", "14")},
}
INPUTS = {"rho": "5", "hidden_units": "10"}


def study_page(
    studies: Sequence[StudyResults], *, cancel: Cancel | None = None
) -> tuple[Page, list[str]]:
    """Return what one or several studies found as a page, and what a person should know of it.

    Parameters
    ----------
    studies : sequence of StudyResults
    cancel : callable, optional
        Asked between pictures whether to give up.

    Raises
    ------
    Cancelled
        It was given up.
    """
    parts = [_Study(results, cancel) for results in studies]
    sections: list[Section] = []
    for part in parts[:1]:
        sections += part.patches_section()
    for part in parts:
        sections += part.sections(alone=len(parts) == 1)
    said: set[tuple[str, ...]] = set()
    for part in parts:
        sections.append(part.settings(said, alone=len(parts) == 1))
    kind = "A sparse autoencoder" if studies[0].spec.kind == "autoencoder" else "A CNN"
    titles = [results.spec.title for results in studies]
    title = " and ".join(titles)
    footer = [line for part in parts for line in part.footer()]
    now = ", ".join(f"{name} {value}" for name, value in versions().items())
    page = Page(
        _heading(title),
        f"{kind}, trained {' and '.join(part.lead() for part in parts)}.",
        [fact for part in parts for fact in part.facts(alone=len(parts) == 1)],
        sections,
        [*footer, f"This page: {now}.", "Made by Filterscope."],
    )
    return page, list(dict.fromkeys(note for part in parts for note in part.notes))


def _of_the_report(results: StudyResults) -> str:
    """Return which setting a study of the report varies, or nothing for another study."""
    for values in STUDY_PRESETS.values():
        name = str(values["vary"][0]["name"])
        if [one.name for one in results.spec.vary] == [name] and results.spec.kind == "autoencoder":
            return name
    return ""


class _Study:
    """One study's part of a page."""

    def __init__(self, results: StudyResults, cancel: Cancel | None) -> None:
        self.results, self.spec = results, results.spec
        self.notes: list[str] = []
        self._cancel = cancel
        self._varied = _of_the_report(results)
        self._contents: dict[Path, Contents] = {}
        self._raw: RawPatches | None = None

    # --- what is read

    def contents(self, run: RunFolder) -> Contents:
        if self._cancel is not None and self._cancel():
            raise Cancelled("The page was given up.")
        if run.path not in self._contents:
            self._contents[run.path] = contents_of(run)
        return self._contents[run.path]

    @cached_property
    def pictured(self) -> list[tuple[TrialResult, RunFolder]]:
        """The trials that pictures are made of: the first ones, or the best of many."""
        found = [(t, t.shown_run) for t in self.results.trials]
        known = [(trial, run) for trial, run in found if run is not None]
        if len(known) <= MOST_PICTURES:
            return known
        sign = 1 if self.spec.least_is_best else -1
        judged = [pair for pair in known if pair[0].mean is not None]
        best = sorted(judged, key=lambda pair: sign * (pair[0].mean or 0.0))[:MOST_PICTURES]
        self.notes.append(f"Pictures are of the best {MOST_PICTURES} of {len(known)}.")
        return best

    @cached_property
    def raw(self) -> RawPatches | None:
        """The patches as the file has them; None when they are not what they were."""
        if not self.pictured or self.spec.kind != "autoencoder":
            return None
        source = self.pictured[0][1].info.source
        if source.dataset.startswith("cut "):
            return None
        try:
            raw = open_patches(
                source.path,
                dataset=source.dataset,
                layout=source.layout,
                value_range=source.value_range,
            )
        except FilterscopeError as error:
            self.notes.append(f"Patches are not shown: {error.message}")
            return None
        if raw.source.sha256 != source.sha256:
            self.notes.append(f"Patches are not shown: {Path(source.path).name} is another now.")
            return None
        return raw

    @cached_property
    def patches(self) -> Patches | None:
        """The prepared patches, where all runs share them."""
        prepared = {run.info.preprocess for _, run in self.pictured}
        if self.raw is None or len(prepared) != 1:
            return None
        return preprocess(self.raw, self.pictured[0][1].info.autoencoder[1])

    def words(self, trial: TrialResult) -> str:
        # A symbol and its value stay on one line.
        parts = words_of(self.spec, trial.values).split(", ")
        return ", ".join(part.replace(" ", "\u00a0", 1) for part in parts)

    @property
    def accuracy(self) -> bool:
        """Whether it is about accuracies."""
        return self.spec.objective == "accuracy"

    def figure_number(self, trial: TrialResult, which: int) -> str:
        """Return which figure of the report a picture answers, in brackets, or nothing."""
        numbers = FIGURES.get(self._varied, {}).get(trial.values.get(self._varied, None))
        number = numbers[which] if numbers else ""
        return f" (the report’s Figure {number})" if number else ""

    # --- what is said first

    def lead(self) -> str:
        """Return what was varied, and how often it was trained."""
        names = [self.spec.parameters[one.name].hyper.label.lower() for one in self.spec.vary]
        runs = sum(len(trial.members) for trial in self.results.trials)
        what = " and ".join(names) or "the seed alone"
        seeds = len(self.spec.seeds)
        each = "" if seeds == 1 else f", {seeds} seeds each"
        return f"over {what} ({runs} runs{each})"

    def facts(self, *, alone: bool) -> list[tuple[str, str]]:
        best = self.results.best
        of = "" if alone else f" ({self.spec.title})"
        found = []
        if best is not None and best.mean is not None and len(self.results.trials) > 1:
            value = _number(best.mean, self.spec.objective)
            found.append((f"Best {self.results.objective}{of}", f"{value} at {self.words(best)}"))
        states = self.results.states
        done = sum(states.get(state, 0) for state in ("done", "converged"))
        total = sum(states.values())
        found.append((f"Runs done{of}", f"{done} of {total}" if done != total else f"{done}"))
        return found

    # --- figures

    def patches_section(self) -> list[Section]:
        if self.raw is None or self.patches is None:
            return []
        rows = self.raw.spread(SHOWN)
        shown = self.raw.take(rows)
        prepared = apply(shown, self.patches.fitted)
        if not self.patches.fitted.spec.rescale:
            low, high = np.percentile(prepared, (0.5, 99.5))
            prepared = (prepared - low) / max(float(high - low), 1e-12)
        report = self._varied and self.patches.fitted.spec.grayscale
        first, second = (" (the report’s Figure 1)", " (its Figure 2)") if report else ("", "")
        before = mosaic(shown, columns=20, scale="unit")
        after = mosaic(prepared, columns=20, scale="unit")
        count = f"{before.count} of {self.raw.count:,} patches"
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

    def sections(self, *, alone: bool) -> list[Section]:
        name = "" if alone else f"{_heading(self.spec.title)}: "
        found = [*self.filters(name), *self.reconstructions(name)]
        found += [*self.curves(name), *self.outcomes(name), *self.maps(name)]
        return found

    def filters(self, name: str) -> list[Section]:
        figures = []
        for trial, run in self.pictured:
            contents = self.contents(run)
            try:
                tiles = contents.filters()
            except FilterscopeError as error:
                self.notes.append(f"No filters of {self.words(trial)} are shown: {error.message}")
                continue
            height, width = tiles.tile_shape
            value = "" if trial.mean is None else _judged(self.results, trial)
            figures.append(
                Figure(
                    tiles,
                    f"{tiles.count} filters, seed {run.info.spec.seed}{value}"
                    f"{self.figure_number(trial, 0)}.",
                    f"{tiles.count} filters of {height} × {width} pixels, {self.words(trial)}",
                    self.words(trial),
                    zoom=2 if height >= 12 else 6,
                )
            )
        if not figures:
            return []
        text = "Each filter is on its own scale, from its least to its greatest weight."
        title = f"{name}filters" if name else "Filters"
        return [Section(title, [text], figures, columns=min(len(figures), 3))]

    def reconstructions(self, name: str) -> list[Section]:
        if self.patches is None or not self.pictured:
            return []
        patches = self.patches
        held_out = self.pictured[0][1].info.autoencoder[0].held_out
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

        which = INPUTS.get(self._varied, "")
        words = f" (the report’s Figure {which})" if which else ""
        figures = [
            Figure(
                picture(rows), f"{len(rows)} patches{words}.", "Patches, side by side", "Input", 2
            )
        ]
        for trial, run in self.pictured:
            contents = self.contents(run)
            assert isinstance(contents, AutoencoderContents)
            try:
                output = probe.reconstruct(contents.weights, rows, contents.spec.decoder)
            except FilterscopeError:
                continue
            error = 0.5 * float(np.square(output - rows).sum(axis=1).mean())
            caption = f"½‖d − o‖² of these: {error:.3g}{self.figure_number(trial, 1)}."
            alt = f"Reconstructions with {self.words(trial)}"
            figures.append(Figure(picture(output), caption, alt, self.words(trial), 2))
        text = "The same patches, decoded after encoding; black and white are the same for all."
        return [Section(f"{name}reconstructions" if name else "Reconstructions", [text], figures,
                        columns=4)]  # fmt: skip

    def _histories(self) -> list[tuple[TrialResult, list[RunCurve]]]:
        what = "validation" if self.accuracy else "cost"
        found = []
        for place, (trial, _) in enumerate(self.pictured[:MOST_CURVES]):
            curves = []
            for run in trial.runs:
                if run is None:
                    continue
                contents = self.contents(run)
                try:
                    history = contents.history
                except FilterscopeError as error:
                    self.notes.append(error.message)
                    continue
                colour = PALETTE[place % len(PALETTE)]
                curves.append(curve_of(run.info, history, what, "epoch", colour=colour))
            curves = [curve for curve in curves if len(curve.x)]
            if curves:
                found.append((trial, curves))
        return found

    def curves(self, name: str) -> list[Section]:
        found = self._histories()
        if not found:
            return []
        title = "accuracy" if self.accuracy else "cost"
        joined = [together(curves, self.words(trial), curves[0].colour) for trial, curves in found]
        if self.accuracy:
            words = "Per cent of validation images that are named rightly."
            chart = overlay_chart(joined, "validation", "epoch")
        else:
            words = "Mean J of each epoch, on logarithmic axes."
            chart = _epoch_chart(joined, log=True)
        if any(len(curves) > 1 for _, curves in found):
            words += " The band reaches from the least to the greatest of the seeds."
        figures = [Figure(chart, words, f"{title} of each trial against epochs")]
        sections = [Section(f"{name}{title}" if name else title.capitalize(), figures=figures)]
        if self._varied:
            each = [self._alone(trial, curves) for trial, curves in found]
            heading = f"{name}{title} of each" if name else f"{title.capitalize()} of each"
            sections.append(Section(heading, figures=each, columns=3))
        return sections

    def _alone(self, trial: TrialResult, curves: list[RunCurve]) -> Figure:
        """Return the cost of one trial as the report draws it, on plain axes."""
        words = self.words(trial)
        chart = _epoch_chart([together(curves, words, curves[0].colour)])
        caption = f"Mean J of each epoch{self.figure_number(trial, 2)}."
        return Figure(chart, caption, f"J against epochs with {words}", words)

    # --- numbers

    def outcomes(self, name: str) -> list[Section]:
        autoencoder = self.spec.kind == "autoencoder"
        rows = [
            [self.words(trial), *self._numbers(trial, autoencoder)] for trial in self.results.trials
        ]
        if not rows:
            return []
        head = ["", _heading(self.results.objective)]
        if len(self.spec.seeds) > 1:
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
        return [Section(f"{name}outcomes" if name else "Outcomes", text, tables=[table])]

    def _numbers(self, trial: TrialResult, autoencoder: bool) -> list[str]:
        known = trial.known
        judged = [] if trial.mean is None else [_number(trial.mean, self.spec.objective)]
        cells = judged or ["–"]
        if len(self.spec.seeds) > 1:
            ends = (
                [_number(end, self.spec.objective) for end in (min(known), max(known))]
                if known
                else []
            )
            cells.append(" … ".join(ends) or "–")
        runs = [run for run in trial.runs if run is not None and run.info.outcome is not None]
        outcomes = [run.info.outcome for run in runs if run.info.outcome is not None]
        terms = [outcome.terms for outcome in outcomes if outcome.terms]
        means = np.mean(terms, axis=0) if terms and len({len(t) for t in terms}) == 1 else []
        if autoencoder:
            cells += [f"{value:.4g}" for value in means] or ["–"] * 3
            cells += [self._bound(trial), self._activation(trial)]
        else:
            cells.append(f"{float(np.sum(means)):.4g}" if len(means) else "–")
        epochs = [outcome.epoch for outcome in outcomes]
        seconds = [outcome.seconds for outcome in outcomes]
        cells.append(f"{float(np.mean(epochs)):.4g}" if epochs else "–")
        cells.append(f"{float(np.mean(seconds)):.1f}" if seconds else "–")
        states: dict[str, int] = {}
        for state in trial.states:
            states[state] = states.get(state, 0) + 1
        return [*cells, ", ".join(f"{count} {state}" for state, count in states.items())]

    def _bound(self, trial: TrialResult) -> str:
        run = trial.shown_run
        if run is None or self.patches is None:
            return "–"
        try:
            return f"{pca_bound(self.patches.x, run.info.autoencoder[0].hidden_units):.4g}"
        except FilterscopeError:
            return "–"

    def _activation(self, trial: TrialResult) -> str:
        run = trial.shown_run
        if run is None or self.patches is None:
            return "–"
        contents = self.contents(run)
        assert isinstance(contents, AutoencoderContents)
        try:
            reading = Probe(self.patches, contents.spec.held_out).read(
                contents.weights, contents.spec.decoder
            )
        except FilterscopeError:
            return "–"
        return f"{float(reading.rho_hat.mean()):.3g}"

    def maps(self, name: str) -> list[Section]:
        """Return heat maps of each two settings that vary, and parallel coordinates."""
        if len(self.spec.vary) < 2 or not any(t.mean is not None for t in self.results.trials):
            return []
        figures = []
        pairs = list(itertools.combinations([one.name for one in self.spec.vary], 2))
        for row, column in pairs[:MOST_MAPS]:
            found = heat_map(self.results, row, column)
            if found is None:
                continue
            percent = self.spec.objective == "accuracy"
            grid = Grid(
                found.values,
                [shown_value(value) for value in found.rows],
                [shown_value(value) for value in found.columns],
                found.row_name,
                found.column_name,
                ".1%" if percent else ".4g",
            )
            words = f"Mean {self.results.objective}; darker is more."
            alt = f"{self.results.objective} over {found.row_name} and {found.column_name}"
            figures.append(Figure(grid, words, alt, f"{found.row_name} and {found.column_name}"))
        least = "least" if self.spec.least_is_best else "most"
        figures.append(
            Figure(
                parallel_chart(self.results),
                f"Each line is a trial; blue has the {least} {self.results.objective}, the best is "
                "thick.",
                "Trials as lines across their settings and what they gave",
                "All trials",
            )
        )
        return [Section(f"{name}all settings together" if name else "All settings together",
                        figures=figures)]  # fmt: skip

    def settings(self, said: set[tuple[str, ...]], *, alone: bool) -> Section:
        """Return what all runs have in common; of a later study, what was not `said` before."""
        parameters = self.spec.parameters
        names = [one.name for one in self.spec.vary]
        words = [
            f"{parameters[name].hyper.label} ({name_of(parameters[name])}): "
            f"{_tried(self.results, name)}."
            for name in names
        ]
        words.append(f"Seeds: {', '.join(map(str, self.spec.seeds))}.")
        if self.spec.search != "grid":
            how = "at random" if self.spec.search == "random" else "by a Parzen estimator (Optuna)"
            words.append(f"{self.spec.trials} trials, chosen {how}.")
        tables = []
        own = self._labels(names)
        for table in settings_tables(self.spec.spec, self.spec.preprocess):
            rows = [row for row in table.rows if row[1] not in own]
            new = [row for row in rows if tuple(row) not in said]
            if new:
                tables.append(Table(table.headings, new, table.caption, table.numbers))
            said.update(map(tuple, rows))
        title = "Settings" if alone else f"Settings of the {self.spec.title}"
        if tables and not alone and len(said) > sum(len(table.rows) for table in tables):
            words.append("All else is as above.")
        return Section(title, words, tables=tables)

    def _labels(self, names: Sequence[str]) -> set[str]:
        """Return what settings are called that each run has of its own."""
        return {self.spec.parameters[name].hyper.label for name in (*names, "seed")}

    def footer(self) -> list[str]:
        info = self.results.study.info
        made = ", ".join(f"{name} {value}" for name, value in info.versions.items())
        lines = [
            f"Study {info.study_id}, begun {info.created}; {made}"
            f"{'; source ' + info.git if info.git else ''}."
        ]
        if info.data_sha256:
            data = Path(self.spec.data).name or "what comes with the program"
            lines.append(f"Data: {data}, SHA-256 {info.data_sha256}.")
        return lines


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


def _tried(results: StudyResults, name: str) -> str:
    seen = list(dict.fromkeys(trial.values[name] for trial in results.trials))
    varied = next(one for one in results.spec.vary if one.name == name)
    if not varied.values and (results.spec.search != "grid" or len(seen) > 12):
        scale = ", logarithmic" if varied.scale == "log" else ""
        return f"{shown_value(varied.low or 0.0)} … {shown_value(varied.high or 0.0)}{scale}"
    return ", ".join(shown_value(value) for value in seen)


def _number(value: float, objective: str) -> str:
    return f"{value:.1%}" if objective == "accuracy" else f"{value:.5g}"


def _judged(results: StudyResults, trial: TrialResult) -> str:
    value = next((value for value in trial.judged if value is not None), None)
    if value is None:
        return ""
    return f"; {results.objective} {_number(value, results.spec.objective)}"


def _heading(words: str) -> str:
    """Begin with a capital letter; a symbol such as ρ stays what it is."""
    return words[:1].upper() + words[1:] if words[:1].isascii() else words
