"""What the training of any network shares on the command line."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.cli.options import json_flag
from app.cli.processes import AllStop
from app.cli.progress import Interruptible, Progress
from app.core.errors import AlreadyExistsError, FilterscopeError, UsageError

__all__ = [
    "assignments_of",
    "check_options",
    "conclude",
    "read_model",
    "read_weights",
    "run_options",
    "setting_options",
    "train_and_record",
    "trust_option",
]


def run_options(parser: argparse.ArgumentParser, presets: Sequence[str]) -> None:
    """Add the options that the training of each network has."""
    parser.add_argument("--out", metavar="RUN", type=Path, help="folder of the run")
    parser.add_argument("--force", action="store_true", help="write into a folder that exists")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="begin with these weights: safetensors, .npz, or a state_dict of PyTorch; every name "
        "and shape must be the network's",
    )
    setting_options(parser, presets)


def setting_options(parser: argparse.ArgumentParser, presets: Sequence[str]) -> None:
    """Add the options that choose the settings of a network."""
    parser.add_argument("--preset", choices=list(presets), help="settings to start from")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="assignments",
        help="a setting; may be given often",
    )  # fmt: skip
    for name in ("epochs", "seed"):
        parser.add_argument(f"--{name}", metavar="N", help=f"the same as --set {name}=N")
    parser.add_argument("--threads", type=int, metavar="N", help="threads that compute (all cores)")
    json_flag(parser)


def assignments_of(options: argparse.Namespace) -> list[str]:
    """Return all settings that were asked for as ``NAME=VALUE``."""
    short = [
        f"{name}={getattr(options, name)}"
        for name in ("epochs", "seed", "device")
        if getattr(options, name, None) is not None
    ]
    return [*options.assignments, *short]


def check_options(options: argparse.Namespace) -> None:
    """Refuse what cannot be meant, before any data is read."""
    if options.out is not None and os.path.lexists(options.out) and not options.force:
        raise AlreadyExistsError(
            f"{options.out} exists already.", "Choose another --out, or add --force."
        )
    if options.threads is not None and options.threads < 1:
        raise UsageError("--threads must be at least 1.")


def trust_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--trust-code``."""
    parser.add_argument(
        "--trust-code",
        action="store_true",
        help="agree that an own model, which is a program, runs with your rights",
    )


def read_model(options: argparse.Namespace) -> Any:
    """Return the `ModelFile` of ``--model``, or None without it.

    Raises
    ------
    UsageError
        Nobody agreed that it is run.
    """
    from app.core.own_model.file import needs_consent, read_model_file

    if options.model is None:
        return None
    model = read_model_file(options.model)
    if not options.trust_code:
        raise needs_consent(model.name)
    return model


def read_weights(options: argparse.Namespace) -> Any:
    """Return the `WeightsFile` of ``--weights``, or None without it."""
    from app.core.data.weights_file import read_weights_file

    return None if options.weights is None else read_weights_file(options.weights)


def train_and_record(
    run: Any,
    learner: Any,
    spec: Any,
    order: Any,
    screen: Progress,
    *,
    recorder: Any = None,
    resume: Any = None,
    group: Any = None,
) -> dict[str, Any]:
    """Train to the end, or to Ctrl-C; returns what came out.

    Parameters
    ----------
    run : RunFolder or None
        None for a process that only takes its share of the work of `group`.
    learner : Learner
    spec : TrainingSpec
    order : EpochOrder
    screen : Progress
    recorder : Recorder, optional
        A new one by default.
    resume : app.core.training.Progress, optional
        Where the learner stands, when it goes on.
    group : Group, optional
        Other processes that train the same network.
    """
    from app.core.control import Control
    from app.core.runs import Recorder
    from app.core.training import train

    control = Control()
    if run is None:
        return _take_share(learner, spec, order, group, control, resume)
    recorder = recorder or Recorder(run)
    if run.warning:
        screen.say(run.warning)
    result: dict[str, Any] = {"run": str(run.path), "seed": spec.seed}

    def stop() -> None:
        if not control.stopping:
            print("\nStopping after this batch; the run is kept.", file=sys.stderr)
            control.stop()

    if group is not None:
        group.on_stop = stop
    events = train(
        learner,
        spec,
        control,
        examples=order.count,
        order=order,
        run_id=run.info.run_id,
        resume=resume,
    )
    try:
        with Interruptible(control.stop) if group is None else AllStop(group.ask_to_stop):
            for event in events:
                note = recorder.take(event)
                if note is not None:
                    screen.say(f"{note.message} {note.hint}".strip())
                screen.take(event, result)
    finally:
        recorder.close()
        screen.end()
    if group is not None:
        # What is left to do, nobody is needed for.
        group.close(result["failed"][0] if "failed" in result else "")
    return result


def _take_share(
    learner: Any, spec: Any, order: Any, group: Any, control: Any, resume: Any
) -> dict[str, Any]:
    """Train as a process of several that neither writes nor talks; returns how it ended."""
    from app.core import events
    from app.core.training import train

    group.on_stop = control.stop
    result: dict[str, Any] = {}
    never = float("inf")
    with AllStop(group.ask_to_stop):
        for event in train(
            learner,
            spec,
            control,
            examples=order.count,
            order=order,
            run_id="",
            resume=resume,
            snapshot_seconds=never,
            checkpoint_seconds=never,
        ):
            if isinstance(event, events.Failed):
                if event.kind == "bug":
                    print(event.traceback_text, file=sys.stderr)
                raise FilterscopeError(event.message, event.hint)
            if isinstance(event, events.Finished):
                result["reason"] = event.reason
    group.close()
    return result


def conclude(result: dict[str, Any], as_json: bool, names: Sequence[str]) -> int:
    """Print what came out, `names` among it; returns the exit code."""
    failed = result.pop("failed", None)
    interrupted = result.pop("reason", "done") == "stopped"
    if failed is not None:
        raise FilterscopeError(*failed)
    if as_json:
        print(json.dumps(result))
    else:
        wide = max(15, *(len(name) + 2 for name in names))
        print(f"{'run':{wide}} {result['run']}")
        for name in names:
            if name in result:
                # What a stopped training on very many examples costs nobody waited for.
                value = "not computed" if result[name] is None else f"{result[name]:.6g}"
                print(f"{name:{wide}} {value}")
        print(f"{'epochs':{wide}} {result['epochs']:g} in {result['seconds']:.1f} s")
    return 130 if interrupted else 0
