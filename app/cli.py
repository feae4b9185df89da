"""The command line: the same core as the window, without any Qt.

Progress goes to standard error, results to standard output. Exit codes: 0 done, 1 failed,
2 usage or refused input, 130 interrupted after saving.
"""

from __future__ import annotations

import argparse
import json
import sys
import types
import typing
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app import __version__
from app.core.errors import AlreadyExistsError, FilterscopeError, UsageError
from app.core.params import Parameter, describe, format_number, parse_number
from app.core.presets import PRESETS
from app.core.specs import AutoencoderSpec, PreprocessSpec

__all__ = ["main"]

WITHOUT_COMMAND = """without a command:
  filterscope [FILE] [--theme dark|light|system] [--safe-mode] [--reset-settings]
              the window; FILE is opened instead of the sample patches
  filterscope --install-shortcut
              an icon on the desktop and in the menu"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = build_parser()
    options = parser.parse_args(argv)
    try:
        code: int = options.run(options)
    except FilterscopeError as error:
        print(f"filterscope: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("filterscope: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        sys.stderr.close()
        return 1
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; every setting in it is read from the specs."""
    parser = argparse.ArgumentParser(
        prog="filterscope",
        description="A desktop laboratory for seeing what small networks learn.",
        epilog=WITHOUT_COMMAND,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"filterscope {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_info(commands)
    _add_train(commands)
    _add_bench(commands)
    _add_export(commands)
    _add_runs(commands)
    return parser


def _command(
    commands: Any, name: str, text: str, run: Callable[[Any], int], **more: Any
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **more,
    )
    parser.set_defaults(run=run)
    return parser


def _json_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


# --- info


def _add_info(commands: Any) -> None:
    parser = _command(commands, "info", "Say what is in a file, what is refused, and why", run_info)
    parser.add_argument("file", metavar="FILE[::dataset]")
    _json_flag(parser)


def run_info(options: argparse.Namespace) -> int:
    """``filterscope info FILE``."""
    from app.core.data.reader import inspect, split_name

    path, wanted = split_name(options.file)
    report = inspect(path)
    found = [
        dataset
        for dataset in report.datasets
        if wanted is None or dataset.path.strip("/") == wanted.strip("/")
    ]
    if wanted is not None and not found:
        raise UsageError(f"{path.name} has no data set {wanted}.")
    if options.json:
        rows = [
            {
                "path": dataset.path,
                "shape": list(dataset.shape),
                "dtype": dataset.dtype,
                "layout": dataset.layout,
                "layouts": list(dataset.layouts),
                "value_range": dataset.value_range,
                "refused": dataset.refused,
            }
            for dataset in found
        ]
        print(json.dumps({"path": report.path, "size": report.size, "datasets": rows}))
        return 0
    print(f"{report.path}   {report.size:,} bytes")
    for dataset in found:
        shape = " × ".join(map(str, dataset.shape))
        if dataset.refused is not None:
            print(f"  {dataset.path}   {shape}  {dataset.dtype}   refused: {dataset.refused}")
        else:
            others = [name for name in dataset.layouts if name != dataset.layout]
            also = f" (or {', '.join(others)})" if others else ""
            print(
                f"  {dataset.path}   {shape}  {dataset.dtype}   "
                f"{dataset.layout}{also}, values {dataset.value_range}"
            )
    return 0


# --- train


def _settings_help() -> str:
    lines = ["settings (--set name=value):"]
    for cls in (AutoencoderSpec, PreprocessSpec):
        for parameter in describe(cls):
            default = _shown(parameter.default)
            lines.append(f"  {parameter.name:14} {default:>9}   {parameter.hyper.teaches}")
            lines.append(f"  {'':14} {'':>9}   {parameter.range_text}")
    lines.append("presets (--preset NAME):")
    lines.extend(f"  {name:14} {preset.teaches}" for name, preset in PRESETS.items())
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_number(value) if isinstance(value, int | float) else str(value)


def _add_train(commands: Any) -> None:
    train = commands.add_parser("train", help="Train a network and keep the run")
    kinds = train.add_subparsers(metavar="NETWORK", required=True)
    parser = _command(
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
    parser.add_argument("--layout", help="what the axes mean, such as NCHW, where the guess is wrong")
    parser.add_argument("--value-range", choices=["0..1", "0..255"], help="which values are black and white")
    parser.add_argument("--threads", type=int, metavar="N", help="threads that compute (all cores)")
    _json_flag(parser)


def parse_setting(parameter: Parameter, text: str) -> Any:
    """Return what `text` means for a setting.

    Raises
    ------
    UsageError
        It cannot be meant for it.
    """
    if parameter.kind == "bool":
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise UsageError(f"{parameter.name} = “{text}” is neither yes nor no.")
        return words[text.lower()]
    if parameter.kind == "choice":
        return text
    value = parse_number(text)
    if parameter.kind == "int":
        if not value.is_integer():
            raise UsageError(f"{parameter.name} = {text} is not a whole number.")
        return int(value)
    return value


def read_settings(options: argparse.Namespace) -> tuple[AutoencoderSpec, PreprocessSpec]:
    """Return the settings that the command line asks for."""
    preset = PRESETS[options.preset] if options.preset else None
    spec = preset.spec if preset else AutoencoderSpec()
    preprocess = preset.preprocess if preset else PreprocessSpec()
    assignments = list(options.assignments)
    for name in ("epochs", "seed"):
        if getattr(options, name) is not None:
            assignments.append(f"{name}={getattr(options, name)}")
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
        raise AlreadyExistsError(f"{options.out} exists already.", "Choose another --out, or add --force.")
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
        with _Interruptible(control.stop):
            for event in events:
                recorder.take(event)
                screen.take(event, result)
    finally:
        recorder.close()
        screen.end()
    return _conclude(result, options.json)


def _conclude(result: dict[str, Any], as_json: bool) -> int:
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
    from app.core.data.reader import cut_patches, open_patches
    from app.core.data.sample import sample_path

    data = options.data or str(sample_path())
    if Path(data).is_dir():
        return cut_patches(data, progress=screen.share)
    return open_patches(
        data, layout=options.layout, value_range=options.value_range, progress=screen.share
    )


class _Interruptible:
    """The first Ctrl-C stops and saves; a second one ends at once."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: Any = None

    def __enter__(self) -> None:
        import signal

        def asked(_number: int, _frame: types.FrameType | None) -> None:
            signal.signal(signal.SIGINT, self._before)
            print("\nStopping after this batch; the run is kept.", file=sys.stderr)
            self._stop()

        self._before = signal.signal(signal.SIGINT, asked)

    def __exit__(self, *_: object) -> None:
        import signal

        signal.signal(signal.SIGINT, self._before)


class Progress:
    """One line on standard error: redrawn on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self._last = 0.0
        self._steps_per_epoch = self._total = 1
        self._open = False

    def _due(self) -> bool:
        import time

        now = time.monotonic()
        if now - self._last < (0.1 if self.terminal else 5.0):
            return False
        self._last = now
        return True

    def _show(self, text: str) -> None:
        if self.terminal:
            print(f"\r{text:78}", end="", file=sys.stderr, flush=True)
            self._open = True
        else:
            print(text, file=sys.stderr, flush=True)

    def share(self, share: float, text: str) -> None:
        """Show how far some work is."""
        if self._due():
            self._show(f"{text} {share:4.0%}")

    def take(self, event: Any, result: dict[str, Any]) -> None:
        """Show an event of a training, and note in `result` how it ends."""
        from app.core import events

        if isinstance(event, events.Started):
            self._steps_per_epoch, self._total = event.steps_per_epoch, event.total_steps
            self._show(f"{event.examples} patches, {event.total_steps} steps, {event.engine}")
        elif isinstance(event, events.Steps):
            if self._due():
                epoch = event.last_step / self._steps_per_epoch
                rate = event.examples / max(event.seconds, 1e-9)
                cost = float(event.terms[-1].sum())
                self._show(
                    f"epoch {epoch:.1f} / {self._total // self._steps_per_epoch}   J {cost:.4g}   "
                    f"{rate:,.0f} patches/s"
                )
        elif isinstance(event, events.Finished):
            terms = event.terms
            names = ("reconstruction", "decay", "sparsity")
            values = [None] * 3 if terms is None else [float(v) for v in terms]
            result.update(
                epochs=event.epoch,
                cost=None if terms is None else float(terms.sum()),
                **dict(zip(names, values, strict=True)),
                seconds=event.seconds,
                reason=event.reason,
            )
        elif isinstance(event, events.Failed):
            if event.kind == "bug":
                print(event.traceback_text, file=sys.stderr)
            result["failed"] = (event.message, event.hint)

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            print(file=sys.stderr)
            self._open = False


# --- bench


def _add_bench(commands: Any) -> None:
    from app.core.bench import BENCHES

    parser = _command(
        commands, "bench", "Measure against twins, torch and the hardware, as ratios in one run", run_bench
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHES)}; all by default")
    _json_flag(parser)


def run_bench(options: argparse.Namespace) -> int:
    """``filterscope bench``."""
    from app.core import bench

    results = bench.run(options.names, say=lambda text: print(text, file=sys.stderr))
    print(json.dumps(results) if options.json else bench.table(results))
    return 0


# --- export


def _add_export(commands: Any) -> None:
    parser = _command(commands, "export", "Write what a run learned as files", run_export)
    parser.add_argument("run_folder", metavar="RUN", type=Path)
    parser.add_argument(
        "--what", required=True, choices=["filters", "reconstructions", "curves", "report", "script", "weights"]
    )
    parser.add_argument("--out", required=True, metavar="PATH", type=Path, help="its ending chooses the kind of file")
    parser.add_argument("--zoom", type=int, default=8, metavar="K", help="pixels for a pixel (8)")
    parser.add_argument("--scale", choices=["own", "common", "diverging"], default="own")
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    _json_flag(parser)


def run_export(options: argparse.Namespace) -> int:
    """``filterscope export RUN --what … --out PATH``."""
    from app.core.run_exports import export_run
    from app.core.runs import RunFolder
    from app.core.storage import save_bytes

    if not 1 <= options.zoom <= 64:
        raise UsageError("--zoom must lie between 1 and 64.")
    run = RunFolder.open(options.run_folder)
    data, notes = export_run(
        run, options.what, options.out.suffix.lstrip(".").lower(), zoom=options.zoom, scale=options.scale
    )
    for note in notes:
        print(f"filterscope: {note}", file=sys.stderr)
    save_bytes(options.out, data, overwrite=options.force)
    print(json.dumps({"path": str(options.out), "bytes": len(data)}) if options.json else options.out)
    return 0


# --- runs


def _add_runs(commands: Any) -> None:
    runs = commands.add_parser("runs", help="List and show runs")
    actions = runs.add_subparsers(metavar="ACTION", required=True)
    listing = _command(actions, "list", "List the runs, newest first", run_list)
    listing.add_argument("--root", type=Path, help="folder that holds them")
    _json_flag(listing)
    show = _command(actions, "show", "Show a run's settings and how it ended", run_show)
    show.add_argument("run_folder", metavar="RUN", type=Path)
    _json_flag(show)


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
        spec = run.info.spec
        print(
            f"{run.path.name}   {run.info.state:9} {cost:10} "
            f"{spec.hidden_units} units, ρ {spec.rho:g}, β {spec.beta:g}, λ {spec.lam:g}, {spec.solver}"
        )
    if not found:
        print("There are no runs yet.", file=sys.stderr)
    return 0


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
        print(json.dumps({"path": str(run.path), "state": run.info.state, "steps": len(history), **_dumped(run)}))
        return 0
    info = run.info
    print(f"{run.path}\n{info.state}, {len(history)} steps, {info.engine}, started {info.started}")
    print(f"data            {info.source.path} {info.source.dataset}, {info.source.count} patches")
    for spec in (info.spec, info.preprocess):
        for name, value in spec.model_dump().items():
            print(f"{name:15} {_shown(value)}")
    if info.outcome is not None and info.outcome.terms is not None:
        for name, value in zip(history.term_names, info.outcome.terms, strict=True):
            print(f"{name:15} {value:.6g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
