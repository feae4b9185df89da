"""The page of one run: what it learned, how, from what, and with which settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from app.core.chart import Chart, Curve
from app.core.errors import Cancelled, FilterscopeError
from app.core.params import Spec, describe, format_number, setting_in_words, value_in_words
from app.core.run_table import read_row
from app.core.runs.info import ParentInfo, RunInfo, when_in_words
from app.core.runs.labels import read_labels
from app.core.runs.names import run_name
from app.core.takeaway.contents import AutoencoderContents, Contents, ConvNetContents
from app.core.takeaway.moments import telling_moments
from app.core.takeaway.page import Figure, Grid, Page, Section, Table, zoom_of
from app.core.words import duration_to_the_second

__all__ = ["report_page", "settings_tables"]

ENDED = {
    "done": "trained to its last epoch",
    "converged": "converged: no step led lower",
    "stopped": "stopped before its last epoch",
    "diverged": "diverged: the cost left the finite numbers",
    "crashed": "ended with the program, before its last epoch",
    "running": "still training",
    "expected": "ended by a failure",
    "bug": "ended by a fault in the program",
}
FORMED = (
    "The moments are chosen by what happened: from each to the next the filters came about as much "
    "nearer to what they were in the end. r is the mean correlation of each filter with itself then."
)
# So many pixels a pixel of a weight becomes in a small picture, at least.
SMALL = 2
# Changes of live values that are listed.
MOST_CHANGES = 60


def report_page(contents: Contents) -> Page:
    """Return the page of a run.

    What needs the run's data is left out when that is not there any more, and the page says so.
    """
    report = _Report(contents)
    return report.page()


class _Report:
    """Gathers the sections of one page."""

    def __init__(self, contents: Contents) -> None:
        self.contents, self.run, self.info = contents, contents.run, contents.info
        self.labels = read_labels(self.run.path)
        self.row = read_row(self.run)

    def page(self) -> Page:
        contents = self.contents
        if isinstance(contents, ConvNetContents):
            kind = "Convolutional network"
            sections = [*self.filters(), *self.curves(), *self.answers(contents)]
        else:
            assert isinstance(contents, AutoencoderContents)
            kind = "Sparse autoencoder"
            sections = [
                *self.filters(),
                *self.reconstructions(contents),
                *self.curves(),
                *self.activations(contents),
            ]
        sections += [*self.changes(), self.settings(), self.data()]
        state = ENDED.get(self.row.state, self.row.state)
        lead = f"{kind}, {state}. {self.labels.note}".strip()
        return Page(
            self.run.name,
            lead,
            self.facts(),
            sections,
            self.footer(),
            self.labels.tags,
        )

    def facts(self) -> list[tuple[str, str]]:
        info, outcome, row = self.info, self.info.outcome, self.row
        found: list[tuple[str, str]] = []
        if info.kind == "cnn":
            if info.best is not None:
                found.append(("Best on validation", f"{info.best.accuracy:.1%}"))
            if info.tested:
                again = "" if len(info.tested) == 1 else f", first of {len(info.tested)} looks"
                found.append(("On test images" + again, f"{info.tested[0].accuracy:.1%}"))
        elif row.last is not None:
            found.append(("J of all patches at the end", f"{row.last:.4g}"))
        if info.kind != "cnn" and row.best is not None:
            found.append(("Least J of an epoch", f"{row.best:.4g}"))
        found.append(("Epochs", f"{row.epochs_done:.4g} of {row.epochs}"))
        if outcome is not None and outcome.seconds:
            found.append(("Trained for", duration_to_the_second(outcome.seconds)))
        if len(self.contents.history):
            found.append(("Steps", f"{int(self.contents.history.steps[-1]):,}"))
        found.append(("Seed", str(info.spec.seed)))
        return found

    def filters(self) -> list[Section]:
        """Return the filters that count, large; then the moments at which they formed."""
        contents = self.contents
        try:
            now = contents.filters()
        except FilterscopeError as error:
            return [Section("Filters", [f"No filters are shown: {_said(error)}"])]
        cnn = self.info.kind == "cnn"
        small = []
        # As many as stand beside each other without being too small to be seen.
        many = 4 if zoom_of(Figure(now, "", "", zoom=SMALL), 4) == SMALL else 3
        moments = telling_moments(self.run, many)
        for moment in moments:
            step = moment.step
            try:
                tiles = contents.filters(weights=self.run.read_keyframe(moment.path))
            except FilterscopeError as error:
                contents.note(f"Keyframe {step} is not shown: {_said(error)}")
                continue
            when = f"Step {step:,}, epoch {contents.epoch_of(step):.3g}"
            words = f"r {moment.likeness:.2f} with the last.".replace("-", "−")
            if step == 0 and self.info.seeded:
                words = f"Random first weights, {words}"
            elif moment is moments[-1]:
                words = "The last."
            alt = f"{tiles.count} filters after {step} steps, side by side"
            small.append(Figure(tiles, words, alt, when, zoom=SMALL if not cnn else 6))
        what = (
            "Weights from all input pixels to each hidden unit"
            if not cnn
            else "Kernels of the first convolution"
        )
        large = Figure(
            now,
            f"{what}; {contents.caption()}. Each on its own scale, from its least to its greatest "
            "weight.",
            f"{now.count} filters of {now.tile_shape[0]} × {now.tile_shape[1]} pixels, side by side",
            self.chosen() if small else "",
            zoom=8 if cnn else 4,
        )
        sections = [Section("Filters", figures=[large])]
        if small:
            sections.append(Section("How they formed", [FORMED], small, columns=len(small)))
        return sections

    def chosen(self) -> str:
        """Return which weights those are that count."""
        best = self.info.best
        if self.info.kind == "cnn" and best is not None:
            return f"As validation chose them: step {best.step:,}"
        return "At the end"

    def reconstructions(self, contents: AutoencoderContents) -> list[Section]:
        try:
            tiles = contents.reconstructions()
        except FilterscopeError as error:
            contents.note(f"No reconstructions are shown: {_said(error)}")
            return []
        figure = Figure(
            tiles,
            "Three rows belong together: input, output, and what is missing (grey is nothing, on "
            "one scale for all).",
            "Patches, their reconstructions below them, and the differences below these",
            zoom=4,
        )
        return [Section("Reconstructions", figures=[figure])]

    def curves(self) -> list[Section]:
        contents, history = self.contents, self.contents.history
        cnn = self.info.kind == "cnn"
        if not len(history):
            return [Section("Curves", ["No step was recorded."])]
        words = [
            "J and its terms at each step, on logarithmic axes; the dashed line is what as many "
            "principal components reach."
        ]
        if cnn:
            words = [
                "Loss of each mini-batch.",
                "Per cent of images that are named rightly; the dashed line is guessing.",
            ]
        moved = " Dotted lines: a setting was moved." if history.changes else ""
        figures = []
        for chart, said in zip(contents.charts(), words, strict=False):
            names = ", ".join(curve.name for curve in chart.curves)
            alt = f"{chart.title}: {names} against {chart.x_label}s"
            figures.append(Figure(chart, said + moved, alt))
        tables = []
        terms = self.info.outcome.terms if self.info.outcome is not None else None
        if terms is not None and len(terms) == len(history.term_names):
            rows = [
                (name, f"{value:.6g}")
                for name, value in zip(history.term_names, terms, strict=True)
            ]
            rows.append(("sum", f"{sum(terms):.6g}"))
            tables.append(Table(("Term", "Over all of the training data"), rows, numbers=(1,)))
        title = "Loss and accuracy" if cnn else "Cost"
        return [Section(title, figures=figures, tables=tables)]

    def activations(self, contents: AutoencoderContents) -> list[Section]:
        try:
            reading = contents.reading
        except FilterscopeError:
            return []
        rho = contents.spec_at_the_end.rho
        means = np.sort(reading.rho_hat.astype(np.float64))[::-1]
        # A stair: each unit is one step of it.
        x = np.arange(len(means) + 1).repeat(2)[1:-1].astype(np.float64)
        chart = Chart(
            [Curve("mean activation", "#2f6fed", x, means.repeat(2))],
            "unit, the busiest first",
            "mean activation",
            level=(rho, f"ρ {rho:g}"),
            title="Mean activation of each unit",
        )
        dead, full = len(reading.dead), len(reading.saturated)
        words = f"Mean over patches of each of {len(means)} units. "
        words += f"{dead} never answer{'s' if dead == 1 else ''}, {full} always do{'es' if full == 1 else ''}."
        alt = f"Mean activations from {means[0]:.3g} down to {means[-1]:.3g}, beside ρ {rho:g}"
        return [Section("Mean activation against ρ", figures=[Figure(chart, words, alt)])]

    def answers(self, contents: ConvNetContents) -> list[Section]:
        """Return the confusion matrix on validation images."""
        try:
            found = contents.predictions
        except Cancelled:
            raise
        except FilterscopeError as error:
            return [Section("What is taken for what", [f"It is not shown: {_said(error)}"])]
        names = self.info.classes
        counts = found.confusion().astype(np.float64)
        grid = Grid(counts, names, names, "is", "is called", ".0f")
        words = (
            f"{len(found.rows)} validation images: {found.accuracy:.1%} lie on the diagonal. "
            "Validation chose these weights, so that it is a little too kind to them."
        )
        alt = f"Confusion matrix of {len(names)} classes, {found.accuracy:.1%} on the diagonal"
        # Many classes make cells that nobody can read.
        if len(names) > 20:
            return [Section("What is taken for what", [words])]
        return [Section("What is taken for what", figures=[Figure(grid, words, alt)])]

    def changes(self) -> list[Section]:
        history = self.contents.history
        moves = history.moves()
        if not moves:
            return []
        symbols = _symbols(self.info.spec)
        rows = [
            (
                f"{step:,}",
                f"{self.contents.epoch_of(step):.3g}",
                symbols.get(change.name, change.name),
                format_number(change.old),
                format_number(change.new),
            )
            for step, change in moves[:MOST_CHANGES]
        ]
        more = len(moves) - len(rows)
        text = [f"{more} more are in the run's history."] if more else []
        head = ("After step", "Epoch", "Setting", "From", "To")
        return [
            Section(
                "Moved while it trained", text, tables=[Table(head, rows, numbers=(0, 1, 3, 4))]
            )
        ]

    def settings(self) -> Section:
        return Section("Settings", tables=settings_tables(self.info.spec, self.info.preprocess))

    def data(self) -> Section:
        source, info = self.info.source, self.info
        channels, height, width = source.shape
        noun = "images" if info.kind == "cnn" else "patches"
        rows = [
            ("File", Path(source.path).name or source.path),
            ("Array", source.dataset),
            (noun.capitalize(), f"{source.count:,}"),
            ("Size", f"{channels} × {height} × {width}, {source.dtype}, {source.value_range}"),
            ("SHA-256", source.sha256),
        ]
        if info.classes:
            rows.insert(3, ("Classes", ", ".join(info.classes)))
        return Section(
            "Data", self.contents.notes, tables=[Table(("", ""), [r for r in rows if r[1]])]
        )

    def footer(self) -> list[str]:
        info = self.info
        lines = [
            f"Run {info.run_id}, started {when_in_words(info.started)}"
            + (f", ended {when_in_words(info.ended)}" if info.ended else "")
            + f"; {_engine(info)}."
        ]
        if info.parent is not None:
            lines.append(_parent(info.parent, info.spec))
        versions = ", ".join(f"{name} {value}" for name, value in info.versions.items())
        lines.append(f"{versions}{'; source ' + info.git if info.git else ''}.")
        lines.append("Made by Filterscope.")
        return lines


def _parent(parent: ParentInfo, spec: Spec) -> str:
    """Return from which run another one branched off, where, and what was changed."""
    known = {parameter.name: parameter for parameter in describe(type(spec))}
    changes = ", ".join(
        setting_in_words(known[name], old, new) if name in known else f"{name} {old} → {new}"
        for name, old, new in parent.changes
    )
    return f"It went on from {run_name(parent.name)} after step {parent.step:,}" + (
        f", with {changes}." if changes else "."
    )


def _engine(info: RunInfo) -> str:
    """Return what computed it, and on how many threads."""
    engine = info.engine or "engine unknown"
    threads = f", {info.threads} thread{'s' * (info.threads != 1)}"
    return engine if "thread" in engine else engine + threads


def _said(error: FilterscopeError) -> str:
    return error.message


def _symbols(spec: Spec) -> dict[str, str]:
    return {p.name: f"{p.hyper.symbol} ({p.hyper.label})" if p.hyper.symbol else p.hyper.label
            for p in describe(type(spec))}  # fmt: skip


def settings_tables(*specs: Spec) -> list[Table]:
    """Return every setting in the field's own words: symbol, name, value, what it does."""
    tables = []
    for title, spec in zip(("The network and its training", "Preprocessing"), specs, strict=False):
        rows = [
            (
                p.hyper.symbol,
                p.hyper.label,
                value_in_words(p, getattr(spec, p.name)),
                p.hyper.teaches,
            )
            for p in describe(type(spec))
        ]
        tables.append(Table(("", "Setting", "Value", "What it does"), rows, title))
    return tables
