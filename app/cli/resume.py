"""``filterscope runs resume``: go on with a run where it stopped."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from typing import Any

from app.cli.options import command, json_flag
from app.cli.processes import Processes, sharing
from app.cli.progress import Progress
from app.cli.train_cnn import RESULTS, add_accuracies
from app.cli.training import conclude, train_and_record, trust_option
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
    parser.set_defaults(shares=True)
    parser.add_argument(
        "run_folder", metavar="RUN", help="its folder, its name, or six letters of it"
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="epochs in all, to train on one that is done"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads that compute (all cores)")
    trust_option(parser)
    json_flag(parser)


def run_resume(options: argparse.Namespace) -> int:
    """``filterscope runs resume RUN``."""
    with sharing() as processes, ExitStack() as afterwards:
        return _resume(options, processes, afterwards)


def _resume(options: argparse.Namespace, processes: Processes, afterwards: ExitStack) -> int:
    from app.core.learners.own_model import let_go
    from app.core.resume import prepare
    from app.core.run_table import find_run

    if options.threads is not None and options.threads < 1:
        raise UsageError("--threads must be at least 1.")
    threads, group = options.threads, None
    if processes.place is not None:
        threads = processes.threads(options.threads)
        group = _join(options, processes)
        if not processes.first:
            return _take_share(group, threads)
    screen = Progress()
    going = prepare(
        find_run(options.run_folder),
        epochs=options.epochs,
        threads=threads,
        progress=screen.share,
        group=group,
        trust_code=options.trust_code,
    )
    afterwards.callback(let_go, going.learner)
    screen.end()
    screen.noun = "images" if going.run.info.kind == "cnn" else "patches"
    for note in going.notes:
        print(f"filterscope: {note}", file=sys.stderr)
    print(f"filterscope: Going on after step {going.progress.step}.", file=sys.stderr)
    recorder = going.recorder()
    if group is not None:
        from app.core.distributed.handover import hand_over

        going.run.write_info(going.run.info.changed(processes=group.size, hosts=group.hosts))
        hand_over(group, going)
    result = train_and_record(
        going.run,
        going.learner,
        going.spec,
        going.order,
        screen,
        recorder=recorder,
        resume=going.progress,
        group=group,
    )
    if going.run.info.kind == "cnn":
        add_accuracies(result, going.learner)
        return conclude(result, options.json, RESULTS)
    return conclude(result, options.json, ("cost", *going.learner.term_names))


def _join(options: argparse.Namespace, processes: Processes) -> Any:
    """Meet the other processes; only rank 0 need have the run's folder."""
    from app.core.run_table import find_run
    from app.core.runs import RunFolder
    from app.core.specs import ConvNetSpec

    engine, device = "torch", "auto"
    if processes.first:
        info = RunFolder.open(find_run(options.run_folder)).info
        if info.model is not None:
            raise UsageError("An own model trains in one process.", "Leave torchrun out.")
        spec = info.spec
        engine = spec.engine if isinstance(spec, ConvNetSpec) else "none"
        device = spec.device if isinstance(spec, ConvNetSpec) else device
    return processes.join(engine, device)


def _take_share(group: Any, threads: int) -> int:
    """Train on with rank 0, which alone writes and talks."""
    from app.core.distributed.handover import take_up

    taken = take_up(group, threads)
    result = train_and_record(
        None,
        taken.learner,
        taken.spec,
        taken.order,
        Progress(silent=True),
        resume=taken.progress,
        group=group,
    )
    return 130 if result.get("reason") == "stopped" else 0
