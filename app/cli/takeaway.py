"""``filterscope runs import`` and ``runs rerun``: a run from a file, and a run trained again."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from app.cli.options import command, json_flag
from app.cli.progress import Interruptible, Progress
from app.core.errors import UsageError

__all__ = ["add_import", "add_rerun", "run_import", "run_rerun"]


def add_import(actions: Any) -> None:
    """Add ``runs import``."""
    parser = command(
        actions,
        "import",
        "Put a run that was exported as a .filterscope file among the runs",
        run_import,
        epilog="Such a file: filterscope export RUN --what archive --out NAME.filterscope",
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--root", type=Path, help="folder that holds the runs")
    json_flag(parser)


def run_import(options: argparse.Namespace) -> int:
    """``filterscope runs import FILE``."""
    from app.core.takeaway.opening import open_archive

    screen = Progress()
    run = open_archive(options.file, options.root, progress=screen.share)
    screen.end()
    said = {"run": str(run.path), "run_id": run.info.run_id}
    print(json.dumps(said) if options.json else run.path)
    return 0


def add_rerun(actions: Any) -> None:
    """Add ``runs rerun``."""
    parser = command(
        actions,
        "rerun",
        "Train a run again from its settings, seed and data, and say whether it is the same",
        run_rerun,
        epilog=(
            "Ends with 0 when every step and all weights that both kept have the same bits, else\n"
            "with 1. The new run is kept."
        ),
    )
    parser.add_argument(
        "run_folder", metavar="RUN", help="its folder, its name, or six letters of it"
    )
    parser.add_argument("--engine", metavar="E", help="another engine: compiled, reference, torch")
    parser.add_argument("--out", metavar="RUN", type=Path, help="folder of the new run")
    parser.add_argument("--threads", type=int, metavar="N", help="threads that compute (all cores)")
    json_flag(parser)


def run_rerun(options: argparse.Namespace) -> int:
    """``filterscope runs rerun RUN``."""
    import threading

    from app.core.run_table import find_run
    from app.core.runs import RunFolder
    from app.core.takeaway.rerun import rerun

    if options.threads is not None and options.threads < 1:
        raise UsageError("--threads must be at least 1.")
    if options.out is not None and os.path.lexists(options.out):
        raise UsageError(f"{options.out} exists already.", "Choose another --out.")
    screen, asked = Progress(), threading.Event()
    with Interruptible(asked.set):
        new, found = rerun(
            RunFolder.open(find_run(options.run_folder)),
            path=options.out,
            engine=options.engine,
            threads=options.threads,
            cancel=asked.is_set,
            progress=screen.share,
        )
    screen.end()
    for note in found.notes:
        print(f"filterscope: {note}", file=sys.stderr)
    if options.json:
        print(json.dumps({"run": str(new.path), **found.as_json()}))
    else:
        print(f"run    {new.path}\n{found.words()}")
    return 0 if found.same else 1
