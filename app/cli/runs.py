"""``filterscope runs``: what was trained."""

from __future__ import annotations

import argparse
import json
import sys
import typing
from pathlib import Path
from typing import Any

from app.cli.branch import add_branch
from app.cli.data_place import add_data_place
from app.cli.options import command, json_flag, shown
from app.cli.resume import add_resume
from app.cli.takeaway import add_import, add_rerun

__all__ = ["add_runs", "run_compare", "run_list", "run_show"]


def add_runs(commands: Any) -> None:
    """Add ``runs`` and what it does."""
    runs = commands.add_parser("runs", help="List, show, compare and continue runs, and more")
    actions = runs.add_subparsers(metavar="ACTION", required=True)
    listing = command(actions, "list", "List the runs, newest first", run_list)
    listing.add_argument("--root", type=Path, help="folder that holds them")
    json_flag(listing)
    show = command(actions, "show", "Show a run's settings and how it ended", run_show)
    show.add_argument(
        "run_folder", metavar="RUN", help="its folder, its name, or six letters of it"
    )
    json_flag(show)
    compare = command(
        actions, "compare", "Show what differs between two runs, and how alike their filters are",
        run_compare,
    )  # fmt: skip
    compare.add_argument(
        "first", metavar="RUN", help="a run's folder, its name, or six letters of it"
    )
    compare.add_argument("second", metavar="RUN", help="the other's")
    compare.add_argument(
        "--epoch", type=float, metavar="E",
        help="compare the filters of the keyframes nearest to it (the last ones)",
    )  # fmt: skip
    json_flag(compare)
    add_resume(actions)
    add_branch(actions)
    add_rerun(actions)
    add_import(actions)
    add_data_place(actions)


def run_list(options: argparse.Namespace) -> int:
    """``filterscope runs list``."""
    from app.core.run_table import read_rows

    found = read_rows(options.root)
    if options.json:
        rows = [{**_dumped(row.run), **row.as_json()} for row in found]
        print(json.dumps({"runs": rows}))
        return 0
    for row in found:
        cost = "" if row.kind == "cnn" or row.last is None else f"J {row.last:.4g}"
        tags = "".join(f"  #{tag}" for tag in row.labels.tags)
        print(f"{row.path.name}   {row.state:9} {cost:10} {_settings(row.run.info)}{tags}")
    if not found:
        print("There are no runs yet.", file=sys.stderr)
    return 0


def _settings(info: Any) -> str:
    """Return one line of what a run was told to do."""
    if info.kind == "cnn":
        spec, _ = info.convnet
        best = "" if info.best is None else f"{info.best.accuracy:.1%} validation, "
        model = info.model
        layers = spec.layers if model is None else f"{model.name} of {Path(model.path).name}"
        return f"{best}{layers}, {spec.solver}"
    spec, _ = info.autoencoder
    return (
        f"{spec.hidden_units} units, ρ {spec.rho:g}, β {spec.beta:g}, λ {spec.lam:g}, {spec.solver}"
    )


def _dumped(run: Any) -> dict[str, Any]:
    return typing.cast(dict[str, Any], run.info.model_dump(mode="json"))


def run_show(options: argparse.Namespace) -> int:
    """``filterscope runs show RUN``."""
    from app.core.run_table import find_run, read_row
    from app.core.runs import RunFolder
    from app.core.runs.info import when_in_words

    run = RunFolder.open(find_run(options.run_folder))
    history, note = run.read_history()
    row = read_row(run)
    if note:
        print(f"filterscope: {note}", file=sys.stderr)
    if options.json:
        print(json.dumps({**_dumped(run), **row.as_json(), "steps": len(history)}))
        return 0
    info = run.info
    noun = "images" if info.kind == "cnn" else "patches"
    started = when_in_words(info.started)
    print(f"{run.path}\n{info.state}, {len(history)} steps, {info.engine}, started {started}")
    print(f"data            {info.source.path} {info.source.dataset}, {info.source.count} {noun}")
    if info.parent is not None:
        moved = [f"{name} {shown(old)} → {shown(new)}" for name, old, new in info.parent.changes]
        at = f"{info.parent.name} at epoch {info.parent.epoch:.4g}"
        print(f"{'parent':15} {', '.join([at, *moved])}")
    for spec in (info.spec, info.preprocess):
        for name, value in spec.model_dump().items():
            print(f"{name:15} {shown(value)}")
    if row.labels.tags:
        print(f"{'tags':15} {', '.join(row.labels.tags)}")
    if row.labels.note:
        print(f"{'note':15} {row.labels.note}")
    if info.outcome is not None and info.outcome.terms is not None:
        for name, value in zip(history.term_names, info.outcome.terms, strict=True):
            print(f"{name:15} {value:.6g}")
    for evaluation in history.evaluations[-1:]:
        print(f"{'train_accuracy':15} {evaluation.train_accuracy:.4g}")
    if info.best is not None:
        print(f"{'best_val_accuracy':15} {info.best.accuracy:.4g} at step {info.best.step}")
    for number, score in enumerate(info.tested):
        # Whoever chooses by test images has none left: the first look is the one that counts.
        again = "" if number == 0 else " (looked again)"
        print(f"{'test_accuracy':15} {score.accuracy:.4g}{again}, {score.when}")
    return 0


def run_compare(options: argparse.Namespace) -> int:
    """``filterscope runs compare RUN RUN``."""
    from app.core.compare.filters import FiltersOverTime, compare_at
    from app.core.compare.matching import ALIKE
    from app.core.errors import FilterscopeError
    from app.core.run_table import differences, find_run, read_row
    from app.core.runs import RunFolder

    first, second = (RunFolder.open(find_run(x)) for x in (options.first, options.second))
    rows = [read_row(run) for run in (first, second)]
    found = differences(first, second)
    try:
        pair = compare_at(FiltersOverTime(first), FiltersOverTime(second), options.epoch)
    except FilterscopeError as error:
        # Settings and figures can be compared all the same.
        print(f"filterscope: {error.message}", file=sys.stderr)
        pair = None
    if options.json:
        print(
            json.dumps(
                {
                    "runs": [row.as_json() for row in rows],
                    "settings": {d.name: [d.first, d.second] for d in found},
                    "filters": None if pair is None else pair.as_json(),
                }
            )
        )
        return 0
    names = [row.path.name for row in rows]
    wide = max(24, *(len(name) + 2 for name in names))
    print(f"{'':17}" + "".join(f"{name:{wide}}" for name in names).rstrip())
    for one in found:
        values = ("" if v is None else shown(v) for v in (one.first, one.second))
        print(f"{one.name:16} " + "".join(f"{value:{wide}}" for value in values).rstrip())
    if not found:
        print("They have the same data and settings.")
    for name in ("state", "best", "last"):
        given = [getattr(row, name) for row in rows]
        texts = ["" if v is None else v if isinstance(v, str) else f"{v:.6g}" for v in given]
        print(f"{name:16} " + "".join(f"{text:{wide}}" for text in texts).rstrip())
    if pair is not None:
        matching, steps = pair.matching, (pair.first.step, pair.second.step)
        print(f"{'step':16} " + "".join(f"{step!s:{wide}}" for step in steps).rstrip())
        print(
            f"{'stability':16} {matching.stability:.3f}   "
            f"{matching.share_alike():.0%} of {len(matching.first)} pairs of filters with "
            f"{'r' if matching.sign_matters else '|r|'} ≥ {ALIKE:g}"
        )
    return 0
