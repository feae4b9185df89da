"""A run is a folder: what was set, every step, keyframes of the weights, and checkpoints.

run.json          settings, data, seed, versions, outcome
history.jsonl     append-only; each line a checksum and a JSON object
keyframes/        weights at some steps, safetensors, float32
checkpoints/      the newest two generations of all that an exact continuation needs
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import stat
import subprocess
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import psutil
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import Field

from app import __version__
from app.core.data.patches import Source
from app.core.errors import FilterscopeError, UsageError
from app.core.events import (
    Change,
    Checkpoint,
    EpochEnded,
    Event,
    Failed,
    Finished,
    ParamsChanged,
    Snapshot,
    Started,
    Steps,
)
from app.core.history import History
from app.core.params import Spec
from app.core.settings import read_json
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.storage import (
    append,
    explain,
    make_folder,
    open_log,
    save_bytes,
    sweep_parts,
    writable_problem,
)

__all__ = ["Recorder", "RunFolder", "RunInfo", "list_runs"]

TERM_NAMES = ("reconstruction", "decay", "sparsity")
KEYFRAME_SECONDS = 1.0
KEYFRAME_BUDGET = 64 << 20
HISTORY_SECONDS = 1.0
MOST_HISTORY_BYTES = 4 << 30
MOST_WEIGHTS_BYTES = 2 << 30
MOST_STEPS = 1 << 53

Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Side = Annotated[int, Field(ge=1, lt=1 << 20)]


class SourceInfo(Spec):
    """`Source`, as a file says it."""

    path: str
    dataset: str
    layout: str
    value_range: str
    count: Count
    shape: tuple[Side, Side, Side]
    dtype: str
    sha256: str


class Outcome(Spec):
    """How a run ended."""

    reason: str
    step: int
    epoch: float
    terms: tuple[float, ...] | None
    seconds: float
    message: str = ""


class RunInfo(Spec):
    """What ``run.json`` holds."""

    version: Literal[1] = 1
    kind: Literal["autoencoder"] = "autoencoder"
    run_id: str
    spec: AutoencoderSpec
    preprocess: PreprocessSpec
    source: SourceInfo
    started: str
    ended: str | None = None
    outcome: Outcome | None = None
    engine: str = ""
    threads: Count = 1
    steps_per_epoch: Count = 1
    versions: dict[str, str] = Field(default_factory=dict)
    git: str = ""
    pid: Annotated[int, Field(ge=0, lt=1 << 31)] = 0
    pid_started: float = 0.0

    @property
    def state(self) -> str:
        """``running``, ``crashed``, or how it ended."""
        if self.outcome is not None:
            return self.outcome.reason
        try:
            alive = abs(psutil.Process(self.pid).create_time() - self.pid_started) < 1
        except psutil.Error:
            alive = False
        return "running" if alive else "crashed"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _git_state() -> str:
    """Return the commit of the current folder's checkout, marked when it was changed."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=2,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()[:80] if done.returncode == 0 else ""


def _versions() -> dict[str, str]:
    return {
        "filterscope": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


class RunFolder:
    """One run on the disk."""

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path = path
        self.info = info

    @classmethod
    def create(
        cls,
        root: Path,
        *,
        kind: Literal["autoencoder"],
        run_id: str,
        spec: AutoencoderSpec,
        preprocess: PreprocessSpec,
        source: Source,
        threads: int,
        path: Path | None = None,
    ) -> RunFolder:
        """Make the folder of a new run below `root`, or at `path`.

        Raises
        ------
        StorageError
            It cannot be written there; asked now, before hours of training.
        """
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = path or root / f"{stamp}-{kind}-{run_id[:6]}"
        make_folder(folder, exist_ok=path is not None)
        problem = writable_problem(folder)
        if problem is not None:
            raise problem
        for name in ("keyframes", "checkpoints"):
            make_folder(folder / name, exist_ok=True)
        if path is not None:
            _clear(folder)
        for other in {folder, *_folders(root)}:
            for part in (other, other / "keyframes", other / "checkpoints"):
                sweep_parts(part)
        info = RunInfo(
            run_id=run_id,
            kind=kind,
            spec=spec,
            preprocess=preprocess,
            source=SourceInfo.build(source.as_dict()),
            started=_now(),
            threads=threads,
            versions=_versions(),
            git=_git_state(),
            pid=os.getpid(),
            pid_started=psutil.Process().create_time(),
        )
        run = cls(folder, info)
        run.write_info(info)
        return run

    def write_info(self, info: RunInfo) -> None:
        """Write ``run.json``."""
        self.info = info
        save_bytes(self.path / "run.json", info.to_json(), overwrite=True)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open the folder of a run; everything in it is checked as a stranger's.

        Raises
        ------
        UsageError
            It is not a run, or damaged, or of a newer version.
        """
        path = Path(path)
        data = _read(path / "run.json", 1 << 20, f"{path.name} is not a run")
        try:
            values = read_json(data)
            values = values if isinstance(values, dict) else {}
            version = values.get("version")
            if isinstance(version, int) and version > 1:
                raise UsageError("It was written by a newer version of the program.")
            info = RunInfo.build(values)
        except FilterscopeError as error:
            raise UsageError(
                f"{path.name} is not a run that can be read: {error.message}"
            ) from None
        return cls(path, info)

    def read_history(self) -> tuple[History, str]:
        """Return all steps, and a sentence when the record is not whole.

        The last line of a run that is still written, or was killed, may be cut: that is no
        damage. A line before it that does not match its checksum is.
        """
        history = History(TERM_NAMES)
        data = _read(self.path / "history.jsonl", MOST_HISTORY_BYTES, "There is no history")
        note = ""
        for event in _parse_log(data):
            if isinstance(event, str):
                note = event
                break
            _replay(history, event)
        return history, note

    def keyframes(self) -> list[tuple[int, Path]]:
        """Return the steps of the keyframes with their files, in order."""
        files = (self.path / "keyframes").glob("*.safetensors")
        return sorted((int(path.stem), path) for path in files if _is_numbered(path))

    def read_weights(self) -> tuple[int, dict[str, NDArray[np.float32]], str]:
        """Return step and weights of the newest good keyframe, and a note if it is not the newest."""
        note = ""
        for step, path in reversed(self.keyframes()):
            try:
                return step, self._weights(path), note
            except UsageError as error:
                note = f"Keyframe {step} cannot be used ({error.message}); an earlier one is."
        raise UsageError(f"{self.path.name} has no weights that can be read.")

    def _weights(self, path: Path) -> dict[str, NDArray[np.float32]]:
        arrays = _read_safetensors(path)
        width = int(np.prod(self._image_shape()))
        units = self.info.spec.hidden_units
        shapes = {"W1": (width, units), "b1": (units,), "W2": (units, width), "b2": (width,)}
        for name, shape in shapes.items():
            array = arrays.get(name)
            if array is None or array.shape != shape or array.dtype != np.float32:
                raise UsageError(f"{name} is missing or of another network.")
            if not np.isfinite(array).all():
                raise UsageError(f"{name} is not finite.")
        return {name: arrays[name] for name in shapes}

    def _image_shape(self) -> tuple[int, int, int]:
        channels, height, width = self.info.source.shape
        return (1 if self.info.preprocess.grayscale else channels), height, width


def _is_numbered(path: Path) -> bool:
    return re.fullmatch("[0-9]{1,15}", path.stem) is not None and not path.is_symlink()


def _read(path: Path, most: int, otherwise: str) -> bytes:
    """Return a file of a run folder; links are not followed."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise UsageError(f"{path.name} is a link, which is not followed.")
        if not stat.S_ISREG(found.st_mode):
            # To open a pipe would be to wait for whoever writes into it.
            raise UsageError(f"{path.name} is no file.")
        if found.st_size > most:
            raise UsageError(f"{path.name} is larger than it can be.")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{otherwise}: {path.name}: {error.strerror}.") from None
    except ValueError:
        raise UsageError(f"{otherwise}.") from None


def _read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file; the library checks lengths before it allocates."""
    data = _read(path, MOST_WEIGHTS_BYTES, "There are no weights")
    try:
        arrays: dict[str, NDArray[Any]] = safetensors.numpy.load(data)
    except Exception:
        # The library has exceptions of its own for every way a file can be wrong.
        raise UsageError(f"{path.name} is damaged.") from None
    return arrays


def _line(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parse_log(data: bytes) -> Iterator[dict[str, Any] | str]:
    """Yield the records of a log; a string says why it ends before its end."""
    lines = data.split(b"\n")
    for number, line in enumerate(lines):
        if not line:
            continue
        checksum, _, text = line.partition(b" ")
        whole = number < len(lines) - 1
        if len(checksum) == 8 and checksum == b"%08x" % zlib.crc32(text):
            try:
                record = read_json(text, 64 << 20)
            except UsageError:
                record = None
            if isinstance(record, dict):
                yield record
                continue
        if whole and any(lines[number + 1 :]):
            yield f"The history is damaged at line {number + 1}; what comes after it is left out."
        elif whole:
            yield f"The last line of the history, {number + 1}, is damaged."
        else:
            yield "The history ends in the middle of a line: it is still written, or was cut off."
        return


def _replay(history: History, record: Mapping[str, Any]) -> None:
    try:
        kind = record["type"]
        if kind == "steps":
            terms = np.asarray(record["terms"])
            if terms.ndim != 2 or terms.shape[1] != len(history.term_names):
                raise ValueError("other terms")
            if terms.dtype.kind not in "if":
                raise ValueError("no numbers")
            first = _whole(record["first"], 1)
            if len(history) and first <= history.steps[-1]:
                raise ValueError("steps run backwards")
            history.append(first, terms.astype(np.float64))
        elif kind == "changed":
            for name, old, new in record["changes"]:
                change = Change(str(name), _number(old), _number(new))
                history.changes.append((_whole(record["step"], 0), change))
        elif kind == "epoch":
            history.epoch_steps.append(_whole(record["step"], 0))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UsageError("The history has a line that makes no sense.") from None


def _whole(value: Any, least: int) -> int:
    if type(value) is not int or not least <= value < MOST_STEPS:
        raise ValueError(f"{value!r} is no step")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"{value!r} is no number")
    return float(value)


class Recorder:
    """Writes the events of one training into its run folder, in the training's thread."""

    def __init__(self, run: RunFolder, *, keyframe_budget: int = KEYFRAME_BUDGET) -> None:
        self.run = run
        self._log = open_log(run.path / "history.jsonl")
        self._pending: list[tuple[int, NDArray[np.float64]]] = []
        self._wrote = self._framed = time.monotonic()
        self._budget = keyframe_budget
        self._next_frame = 0
        self._last_snapshot: Snapshot | None = None
        self._saved_step = -1
        self._info = run.info

    def take(self, event: Event) -> None:
        """Keep `event`; raises `StorageError` when the disk does not take it."""
        if isinstance(event, Steps):
            self._pending.append((event.first_step, event.terms))
            if time.monotonic() - self._wrote >= HISTORY_SECONDS:
                self._flush(sync=False)
        elif isinstance(event, Snapshot):
            self._last_snapshot = event
            if event.step >= self._next_frame and (
                event.step == 0 or time.monotonic() - self._framed >= KEYFRAME_SECONDS
            ):
                self._keyframe(event)
        elif isinstance(event, Started):
            self._info = self._info.changed(
                engine=event.engine, steps_per_epoch=event.steps_per_epoch
            )
            self.run.write_info(self._info)
        elif isinstance(event, ParamsChanged):
            self._flush(sync=False)
            changes = [[change.name, change.old, change.new] for change in event.changes]
            self._write({"type": "changed", "step": event.step, "changes": changes})
        elif isinstance(event, EpochEnded):
            self._pending.append((-event.step, np.empty((0, 0))))
        elif isinstance(event, Checkpoint):
            self._checkpoint(event)
        elif isinstance(event, Finished):
            terms = None if event.terms is None else tuple(map(float, event.terms))
            self._end(
                Outcome(
                    reason=event.reason,
                    step=event.step,
                    epoch=event.epoch,
                    terms=terms,
                    seconds=event.seconds,
                )
            )
        elif isinstance(event, Failed):
            self._end(
                Outcome(
                    reason=event.kind,
                    step=event.step,
                    epoch=0.0,
                    terms=None,
                    seconds=0.0,
                    message=event.message,
                )
            )

    def close(self) -> None:
        """Nothing more will come."""
        try:
            self._flush(sync=True)
        finally:
            self._log.close()

    def _write(self, record: Mapping[str, Any], *, sync: bool = False) -> None:
        append(self._log, _line(record), self.run.path / "history.jsonl", sync=sync)

    def _flush(self, *, sync: bool) -> None:
        """Write the steps that wait, many to a line; an epoch's end has a line of its own."""
        self._wrote = time.monotonic()
        pending, self._pending = self._pending, []
        first = 0
        rows: list[list[float]] = []
        for number, terms in pending:
            if number < 0 or (rows and number != first + len(rows)):
                if rows:
                    self._write({"type": "steps", "first": first, "terms": rows})
                rows = []
            if number < 0:
                self._write({"type": "epoch", "step": -number})
                continue
            if not rows:
                first = number
            rows.extend(terms.tolist())
        if rows:
            self._write({"type": "steps", "first": first, "terms": rows})
        if sync:
            append(self._log, b"", self.run.path / "history.jsonl", sync=True)

    def _keyframe(self, snapshot: Snapshot) -> None:
        if snapshot.step == self._saved_step:
            return
        data = safetensors.numpy.save(dict(snapshot.weights), {"step": str(snapshot.step)})
        if len(data) > self._budget:
            return
        self._budget -= len(data)
        path = self.run.path / "keyframes" / f"{snapshot.step:09d}.safetensors"
        save_bytes(path, data, overwrite=True)
        self._saved_step = snapshot.step
        self._framed = time.monotonic()
        # Dense at first, when filters change fast: each keyframe a tenth later than the last.
        self._next_frame = snapshot.step + max(1, snapshot.step // 10)

    def _checkpoint(self, event: Checkpoint) -> None:
        arrays = dict(event.state)
        if not all(np.isfinite(array).all() for array in arrays.values()):
            return
        self._flush(sync=True)
        folder = self.run.path / "checkpoints"
        metadata = {
            "step": str(event.step),
            "epoch": str(event.epoch),
            "steps_into_epoch": str(event.steps_into_epoch),
            "spec": event.spec.to_json().decode(),
        }
        data = safetensors.numpy.save(arrays, metadata)
        save_bytes(folder / f"{event.step:09d}.safetensors", data, overwrite=True)
        generations = sorted(folder.glob("*.safetensors"))
        for old in generations[:-2]:
            try:
                old.unlink()
            except OSError as error:
                raise explain(error, old) from None

    def _end(self, outcome: Outcome) -> None:
        self._flush(sync=True)
        if self._last_snapshot is not None and self._last_snapshot.step != self._saved_step:
            # The last weights are kept whatever the budget says.
            self._budget = max(self._budget, MOST_WEIGHTS_BYTES)
            self._keyframe(self._last_snapshot)
        self._info = self._info.changed(outcome=outcome.model_dump(), ended=_now())
        self.run.write_info(self._info)


def _folders(root: Path) -> list[Path]:
    """Return the folders below `root`, or none when nobody may look."""
    try:
        return [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _clear(folder: Path) -> None:
    """Remove the run that was in `folder`: its steps and weights are not the new one's.

    Only what a run writes is removed; a person's own files beside it stay.
    """
    old = [folder / "run.json", folder / "history.jsonl"]
    for name in ("keyframes", "checkpoints"):
        old.extend(path for path in (folder / name).glob("*.safetensors") if _is_numbered(path))
    for path in old:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise explain(error, path) from None


def list_runs(root: Path) -> list[RunFolder]:
    """Return the runs below `root`, newest first; folders that are none are left out."""
    runs = []
    try:
        folders = sorted(root.iterdir(), reverse=True)
    except OSError:
        return []
    for folder in folders:
        try:
            runs.append(RunFolder.open(folder))
        except UsageError:
            continue
    return sorted(runs, key=lambda run: run.info.started, reverse=True)
