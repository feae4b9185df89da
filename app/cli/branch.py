"""``filterscope runs branch``: go on from a moment of a run with other settings."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from app.cli.options import command, json_flag, read_assignments, shown
from app.cli.progress import Progress
from app.cli.train_cnn import RESULTS, add_accuracies
from app.cli.training import conclude, train_and_record
from app.core.errors import AlreadyExistsError, UsageError
from app.core.params import parse_number

__all__ = ["add_branch", "run_branch"]


def add_branch(actions: Any) -> None:
    """Add ``runs branch``."""
    parser = command(
        actions,
        "branch",
        "Go on from a moment of a run with other settings, as a run of its own",
        run_branch,
        epilog=(
            "The run itself stays as it is. Its child begins at the last moment, at or before the\n"
            "one that is asked for, of which all weights are kept."
        ),
    )
    parser.add_argument(
        "run_folder", metavar="RUN", help="its folder, its name, or six letters of it"
    )
    parser.add_argument(
        "--at", metavar="EPOCH", help="where to leave it: an epoch, or step:N (its end)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="assignments",
        help="a setting that is another one from there on; may be given often",
    )  # fmt: skip
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs in all")
    parser.add_argument("--out", metavar="RUN", type=Path, help="folder of the child")
    parser.add_argument("--threads", type=int, metavar="N", help="threads that compute (all cores)")
    json_flag(parser)


def run_branch(options: argparse.Namespace) -> int:
    """``filterscope runs branch RUN``."""
    from app.core.branch import prepare_branch
    from app.core.run_table import find_run
    from app.core.runs import RunFolder

    if options.threads is not None and options.threads < 1:
        raise UsageError("--threads must be at least 1.")
    if options.out is not None and os.path.lexists(options.out):
        raise AlreadyExistsError(f"{options.out} exists already.", "Choose another --out.")
    run = RunFolder.open(find_run(options.run_folder))
    changes = read_assignments(options.assignments, (type(run.info.spec),))[type(run.info.spec)]
    screen = Progress()
    branch = prepare_branch(
        run.path,
        step_of(options.at, run),
        changes,
        epochs=options.epochs,
        path=options.out,
        threads=options.threads,
        progress=screen.share,
    )
    screen.end()
    recorder = branch.recorder()
    cnn = branch.parent.info.kind == "cnn"
    screen.noun = "images" if cnn else "patches"
    for note in branch.notes:
        print(f"filterscope: {note}", file=sys.stderr)
    moved = [f"{name} {shown(old)} → {shown(new)}" for name, old, new in branch.origin.changes]
    said = f"Branching from {branch.parent.path.name} at epoch {branch.origin.epoch:.4g}"
    print(f"filterscope: {', '.join([said, *moved])}.", file=sys.stderr)
    result = train_and_record(
        branch.run,
        branch.learner,
        branch.spec,
        branch.order,
        screen,
        recorder=recorder,
        resume=branch.progress,
    )
    result["parent"] = str(branch.parent.path)
    if cnn:
        add_accuracies(result, branch.learner)
        return conclude(result, options.json, RESULTS)
    return conclude(result, options.json, ("cost", *branch.learner.term_names))


def step_of(text: str | None, run: Any) -> int:
    """Return the step that ``--at`` means; the last one there can be for None."""
    if text is None:
        return 1 << 53
    kind, mark, number = text.rpartition(":")
    if kind not in ("", "step") or (mark and not kind):
        raise UsageError(f"--at is an epoch or step:N, not {text}.")
    value = parse_number(number, integer=kind == "step")
    if value < 0:
        raise UsageError("--at must not be negative.")
    if kind == "step":
        return int(value)
    # A number that was read off is rounded: it means the step that it was read for.
    return int(value * max(run.info.steps_per_epoch, 1) + 1e-6)
