"""``filterscope runs``: what was trained."""

from __future__ import annotations

import argparse
import json
import sys
import typing
from pathlib import Path
from typing import Any

from app.cli.options import command, json_flag, shown

__all__ = ["add_runs", "run_list", "run_show"]


def add_runs(commands: Any) -> None:
    """Add ``runs list`` and ``runs show``."""
    runs = commands.add_parser("runs", help="List and show runs")
    actions = runs.add_subparsers(metavar="ACTION", required=True)
    listing = command(actions, "list", "List the runs, newest first", run_list)
    listing.add_argument("--root", type=Path, help="folder that holds them")
    json_flag(listing)
    show = command(actions, "show", "Show a run's settings and how it ended", run_show)
    show.add_argument("run_folder", metavar="RUN", type=Path)
    json_flag(show)


def run_list(options: argparse.Namespace) -> int:
    """``filterscope runs list``."""
    from app.core.runs import list_runs
    from app.core.settings import data_folder

    found = list_runs(options.root or data_folder())
    if options.json:
        rows = [{"path": str(run.path), "state": run.info.state, **_dumped(run)} for run in found]
        print(json.dumps({"runs": rows}))
        return 0
    for run in found:
        outcome = run.info.outcome
        cost = "" if outcome is None or outcome.terms is None else f"J {sum(outcome.terms):.4g}"
        print(f"{run.path.name}   {run.info.state:9} {cost:10} {_settings(run.info)}")
    if not found:
        print("There are no runs yet.", file=sys.stderr)
    return 0


def _settings(info: Any) -> str:
    """Return one line of what a run was told to do."""
    if info.kind == "cnn":
        spec, _ = info.convnet
        best = "" if info.best is None else f"{info.best.accuracy:.1%} validation, "
        return f"{best}{spec.layers}, {spec.solver}"
    spec, _ = info.autoencoder
    return (
        f"{spec.hidden_units} units, ρ {spec.rho:g}, β {spec.beta:g}, λ {spec.lam:g}, {spec.solver}"
    )


def _dumped(run: Any) -> dict[str, Any]:
    return typing.cast(dict[str, Any], run.info.model_dump(mode="json"))


def run_show(options: argparse.Namespace) -> int:
    """``filterscope runs show RUN``."""
    from app.core.runs import RunFolder

    run = RunFolder.open(options.run_folder)
    history, note = run.read_history()
    if note:
        print(f"filterscope: {note}", file=sys.stderr)
    if options.json:
        print(
            json.dumps(
                {
                    "path": str(run.path),
                    "state": run.info.state,
                    "steps": len(history),
                    **_dumped(run),
                }
            )
        )
        return 0
    info = run.info
    noun = "images" if info.kind == "cnn" else "patches"
    print(f"{run.path}\n{info.state}, {len(history)} steps, {info.engine}, started {info.started}")
    print(f"data            {info.source.path} {info.source.dataset}, {info.source.count} {noun}")
    for spec in (info.spec, info.preprocess):
        for name, value in spec.model_dump().items():
            print(f"{name:15} {shown(value)}")
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
