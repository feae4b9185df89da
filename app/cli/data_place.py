"""``filterscope runs data``: say where a run's data is now."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from app.cli.options import command, json_flag
from app.cli.progress import Progress
from app.core.errors import UsageError

__all__ = ["add_data_place", "run_data_place"]


def add_data_place(actions: Any) -> None:
    """Add ``runs data``."""
    parser = command(
        actions,
        "data",
        "Say where the data of a run is now, that moved or is elsewhere on this machine",
        run_data_place,
        epilog="It is read and checked against the run before its new place is written down.",
    )
    parser.add_argument(
        "run_folder", metavar="RUN", help="its folder, its name, or six letters of it"
    )
    parser.add_argument("place", metavar="PATH", type=Path, help="the file, or the folder")
    json_flag(parser)


def run_data_place(options: argparse.Namespace) -> int:
    """``filterscope runs data RUN PATH``."""
    from app.core.data.synthetic import SYNTHETIC_NAME
    from app.core.moved_data import move_data
    from app.core.rebuilt import keep_place, open_data
    from app.core.run_table import find_run
    from app.core.runs import RunFolder

    run = RunFolder.open(find_run(options.run_folder))
    if run.info.source.path == SYNTHETIC_NAME:
        raise UsageError(f"The images of {run.name} are drawn by the program.")
    if run.info.state == "running":
        raise UsageError(f"{run.name} is being trained right now.", "Stop it first.")
    moved, screen = move_data(run, options.place), Progress()
    keep_place(moved, open_data(moved, None, None, screen.share))
    screen.end()
    said = {"run": str(run.path), "data": moved.info.source.path}
    print(json.dumps(said) if options.json else said["data"])
    return 0
