"""``filterscope runs resume``: go on with a run where it stopped."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from app.cli.options import command, json_flag
from app.cli.progress import Progress
from app.cli.train_cnn import RESULTS, add_accuracies
from app.cli.training import conclude, train_and_record
from app.core.errors import UsageError

__all__ = ["add_resume", "run_resume"]


def add_resume(actions: Any) -> None:
    """Add ``runs resume``."""
    parser = command(
        actions,
        "resume",
        "Go on with a run exactly where it stopped",
        run_resume,
        epilog=(
            "The run's own folder is continued. On the compiled engine it ends with the same\n"
            "weights, to the last bit, as if it had never been interrupted."
        ),
    )
    parser.add_argument("run_folder", metavar="RUN", help="its folder, or its name")
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="epochs in all, to train on one that is done"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads that compute (all cores)")
    json_flag(parser)


def run_resume(options: argparse.Namespace) -> int:
    """``filterscope runs resume RUN``."""
    from app.core.resume import prepare
    from app.core.run_table import find_run

    if options.threads is not None and options.threads < 1:
        raise UsageError("--threads must be at least 1.")
    screen = Progress()
    going = prepare(
        find_run(options.run_folder),
        epochs=options.epochs,
        threads=options.threads,
        progress=screen.share,
    )
    screen.end()
    screen.noun = "images" if going.run.info.kind == "cnn" else "patches"
    for note in going.notes:
        print(f"filterscope: {note}", file=sys.stderr)
    print(f"filterscope: Going on after step {going.progress.step}.", file=sys.stderr)
    recorder = going.recorder()
    result = train_and_record(
        going.run,
        going.learner,
        going.spec,
        going.order,
        screen,
        recorder=recorder,
        resume=going.progress,
    )
    if going.run.info.kind == "cnn":
        add_accuracies(result, going.learner)
        return conclude(result, options.json, RESULTS)
    return conclude(result, options.json, ("cost", *going.learner.term_names))
