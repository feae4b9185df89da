"""``filterscope train``: train a network and keep the run."""

from __future__ import annotations

import argparse
import json
import uuid
from pathlib import Path
from typing import Any

from app.cli.options import command, json_flag, parse_setting, shown
from app.cli.progress import Interruptible, Progress
from app.core.errors import AlreadyExistsError, FilterscopeError, UsageError
from app.core.params import Parameter, describe
from app.core.presets import PRESETS
from app.core.specs import AutoencoderSpec, PreprocessSpec

__all__ = ["add_train", "read_settings", "run_train"]


def _settings_help() -> str:
    lines = ["settings (--set name=value):"]
    for cls in (AutoencoderSpec, PreprocessSpec):
        for parameter in describe(cls):
            default = shown(parameter.default)
            lines.append(f"  {parameter.name:14} {default:>9}   {parameter.hyper.teaches}")
            lines.append(f"  {'':14} {'':>9}   {parameter.range_text}")
    lines.append("presets (--preset NAME):")
    lines.extend(f"  {name:14} {preset.teaches}" for name, preset in PRESETS.items())
    return "\n".join(lines)


def add_train(commands: Any) -> None:
    """Add ``train autoencoder``."""
    train = commands.add_parser("train", help="Train a network and keep the run")
    kinds = train.add_subparsers(metavar="NETWORK", required=True)
    parser = command(
        kinds, "autoencoder", "Train a sparse autoencoder", run_train, epilog=_settings_help()
    )
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="a file of patches, FILE::dataset, or a folder of photographs; the sample by default",
    )
    parser.add_argument("--out", metavar="RUN", type=Path, help="folder of the run")
    parser.add_argument("--force", action="store_true", help="write into a folder that exists")
    parser.add_argument("--preset", choices=list(PRESETS), help="settings to start from")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="assignments",
        help="a setting; may be given often",
    )  # fmt: skip
    for name in ("epochs", "seed"):
        parser.add_argument(f"--{name}", metavar="N", help=f"the same as --set {name}=N")
    parser.add_argument(
        "--layout", help="what the axes mean, such as NCHW, where the guess is wrong"
    )
    parser.add_argument(
        "--value-range", choices=["0..1", "0..255"], help="which values are black and white"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads that compute (all cores)")
    json_flag(parser)


def read_settings(options: argparse.Namespace) -> tuple[AutoencoderSpec, PreprocessSpec]:
    """Return the settings that the command line asks for."""
    preset = PRESETS[options.preset] if options.preset else None
    spec = preset.spec if preset else AutoencoderSpec()
    preprocess = preset.preprocess if preset else PreprocessSpec()
    assignments = list(options.assignments)
    assignments.extend(
        f"{name}={getattr(options, name)}"
        for name in ("epochs", "seed")
        if getattr(options, name) is not None
    )
    known: dict[str, tuple[type, Parameter]] = {}
    for cls in (AutoencoderSpec, PreprocessSpec):
        known.update({parameter.name: (cls, parameter) for parameter in describe(cls)})
    values: dict[type, dict[str, Any]] = {AutoencoderSpec: {}, PreprocessSpec: {}}
    for assignment in assignments:
        name, mark, text = assignment.partition("=")
        name = name.strip()
        if not mark:
            raise UsageError(f"“{assignment}” is not NAME=VALUE.")
        if name not in known:
            raise UsageError(f"There is no setting “{name}”.", f"There are {', '.join(known)}.")
        cls, parameter = known[name]
        values[cls][name] = parse_setting(parameter, text.strip())
    return (
        spec.changed(**values[AutoencoderSpec]),
        preprocess.changed(**values[PreprocessSpec]),
    )


def run_train(options: argparse.Namespace) -> int:
    """``filterscope train autoencoder``."""
    from app.core import threads as threading_
    from app.core.control import Control
    from app.core.data.batches import EpochOrder
    from app.core.data.preprocess import preprocess as fit
    from app.core.learners import AutoencoderLearner
    from app.core.runs import Recorder, RunFolder
    from app.core.settings import data_folder
    from app.core.training import train

    spec, preprocess = read_settings(options)
    if spec.decoder == "sigmoid" and not preprocess.rescale:
        raise UsageError(
            "A sigmoid decoder cannot reach values outside 0 … 1.",
            "Set decoder=linear, or rescale=yes.",
        )
    if options.out is not None and options.out.exists() and not options.force:
        raise AlreadyExistsError(
            f"{options.out} exists already.", "Choose another --out, or add --force."
        )
    if options.threads is not None and options.threads < 1:
        raise UsageError("--threads must be at least 1.")
    screen = Progress()
    raw = open_data(options, screen)
    patches = fit(raw, preprocess, progress=screen.share)
    screen.end()
    if spec.held_out >= len(patches.x):
        raise UsageError(f"All {len(patches.x)} patches are held out; none is left to train on.")
    part, _ = patches.split(spec.held_out)
    threads = options.threads or threading_.kernel_threads(window=False)
    run_id = uuid.uuid4().hex
    run = RunFolder.create(
        data_folder(),
        kind="autoencoder",
        run_id=run_id,
        spec=spec,
        preprocess=patches.fitted.spec,
        source=patches.source,
        threads=threads,
        path=options.out,
    )
    learner = AutoencoderLearner(part.x, spec, threads=threads, release=part.release_pages)
    control = Control()
    recorder = Recorder(run)
    result: dict[str, Any] = {"run": str(run.path), "seed": spec.seed}
    events = train(
        learner,
        spec,
        control,
        examples=len(part.x),
        order=EpochOrder(len(part.x), spec.seed, large=part.large),
        run_id=run_id,
    )
    try:
        with Interruptible(control.stop):
            for event in events:
                recorder.take(event)
                screen.take(event, result)
    finally:
        recorder.close()
        screen.end()
    return conclude(result, options.json)


def conclude(result: dict[str, Any], as_json: bool) -> int:
    """Print what came out; returns the exit code."""
    failed = result.pop("failed", None)
    interrupted = result.pop("reason", "done") == "stopped"
    if failed is not None:
        raise FilterscopeError(*failed)
    if as_json:
        print(json.dumps(result))
    else:
        print(f"run             {result['run']}")
        for name in ("cost", "reconstruction", "decay", "sparsity"):
            print(f"{name:15} {result[name]:.6g}")
        print(f"{'epochs':15} {result['epochs']:g} in {result['seconds']:.1f} s")
    return 130 if interrupted else 0


def open_data(options: argparse.Namespace, screen: Progress) -> Any:
    """Open what DATA names."""
    from app.core.data.cutting import cut_patches
    from app.core.data.reader import open_patches
    from app.core.data.sample import sample_path

    data = options.data or str(sample_path())
    if Path(data).is_dir():
        return cut_patches(data, progress=screen.share)
    return open_patches(
        data, layout=options.layout, value_range=options.value_range, progress=screen.share
    )
