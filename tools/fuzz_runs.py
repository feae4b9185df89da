"""Read damaged run folders: ``python -m tools.fuzz_runs [20000] [SEED]``.

A good run of each kind is hurt in one or two places: bytes changed, cut out and put in; values
in JSON replaced; files emptied, removed, exchanged, made links, pipes, folders or as large as
can be. Then everything that reads runs reads it. Each must give a valid object or say one
sentence. Prints what was found; the exit code is 1 when anything else happened.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import fit_images
from app.core.data.images import LabelledImages
from app.core.data.patches import Source
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.errors import FilterscopeError
from app.core.learners import AutoencoderLearner, ConvNetLearner
from app.core.resume import can_go_on, prepare
from app.core.run_table import differences, read_row
from app.core.runs import DiskUse, Recorder, RunFolder
from app.core.runs.labels import RunLabels, read_labels, write_labels
from app.core.specs import AutoencoderSpec, ConvNetSpec, ImageSpec, PreprocessSpec
from app.core.training import train

JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 0.5, -1e308, "", "x", "../../etc/passwd",
    "/etc/passwd", "\0", "9" * 400, [], {}, [[]], {"a": 1}, [1, 2, 3], "NaN", "cnn", "autoencoder",
)  # fmt: skip


def autoencoder_run(root: Path) -> tuple[RunFolder, Any]:
    """Train a small autoencoder; returns its run and what it learned from."""
    file = root / "patches.npy"
    np.save(file, np.random.default_rng(0).integers(0, 256, (60, 4, 4), np.uint8))
    patches = preprocess(open_patches(file), PreprocessSpec())
    spec = AutoencoderSpec(hidden_units=3, batch_size=20, epochs=4)
    run = RunFolder.create(
        root,
        kind="autoencoder",
        run_id="a" * 32,
        spec=spec,
        preprocess=patches.fitted.spec,
        source=patches.source,
        threads=1,
        path=root / "autoencoder",
    )
    _train(run, AutoencoderLearner(patches.x, spec, threads=1), spec, 60, live=True)
    return run, patches


def convnet_run(root: Path) -> tuple[RunFolder, Any]:
    """Train a small network of layers; returns its run and what it learned from."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 3, 6, 6), np.uint8), np.arange(60) % 3
    source = Source("made", "", "NCHW", "0..255", 60, (3, 6, 6), "uint8", "0" * 64)
    images = LabelledImages(x, y.astype(np.int64), ("a", "b", "c"), source, 15)
    fitted = fit_images(images, ImageSpec(train_count=30, validation_count=15))
    spec = ConvNetSpec(
        layers="conv 2 3x3, batchnorm, relu", batch_size=10, epochs=3, evaluate_every=2
    )
    run = RunFolder.create(
        root,
        kind="cnn",
        run_id="c" * 32,
        spec=spec,
        preprocess=fitted.spec,
        source=source,
        threads=1,
        classes=fitted.classes,
        path=root / "cnn",
    )
    _train(run, ConvNetLearner(fitted, spec, threads=1), spec, len(fitted.split.train))
    return run, fitted


def _train(run: RunFolder, learner: Any, spec: Any, examples: int, *, live: bool = False) -> None:
    recorder, control = Recorder(run), Control()
    for number, event in enumerate(
        train(
            learner,
            spec,
            control,
            examples=examples,
            order=EpochOrder(examples, spec.seed),
            run_id=run.info.run_id,
            checkpoint_seconds=0.0,
            snapshot_seconds=0.0,
        )
    ):
        recorder.take(event)
        if live and number == 6:
            control.set_live(spec.changed(rho=0.2))
    recorder.close()
    write_labels(run.path, RunLabels(tags=("a", "b"), note="kept", colour="#00ff00"))
    # As if it had been killed, so that everything is asked whether it can go on.
    run.write_info(run.info.changed(outcome=None, ended=None, pid_started=1.0))


class Fuzz:
    """Hurts one good run and reads it, again and again; each time it is whole again first."""

    def __init__(self, run: RunFolder, data: Any, seed: int) -> None:
        self.path, self.data = run.path, data
        self.random = random.Random(seed)
        self.files = {
            path.relative_to(run.path): path.read_bytes()
            for path in sorted(run.path.rglob("*"))
            if path.is_file()
        }
        self.found: Counter[str] = Counter()
        self.faults: list[str] = []
        self.readers: dict[str, Callable[[RunFolder], Any]] = {
            "history": RunFolder.read_history,
            "statistics": RunFolder.read_statistics,
            "weights": RunFolder.read_weights,
            "best": lambda run: run.read_weights(best=True),
            "normalisation": RunFolder.read_normalisation,
            "checkpoint": RunFolder.read_checkpoint,
            "keyframes": lambda run: [run.read_keyframe(path) for _, path in run.keyframes()],
            "disk use": lambda run: DiskUse.of(run.path),
            "room": RunFolder.check_room,
            "labels": lambda run: read_labels(run.path),
            "row": lambda run: read_row(run).words + json.dumps(read_row(run).as_json()),
            "differences": lambda run: differences(run, run),
            "going on": can_go_on,
            "resume": lambda run: prepare(run.path, data=self.data, threads=1),
        }

    def once(self) -> None:
        """Hurt it, read all, and mend it."""
        hurt = []
        for _ in range(self.random.choice((1, 1, 2))):
            name = self.random.choice(list(self.files))
            how = self.random.choice(self.ways(name))
            hurt.append(f"{name} {how.__name__.strip('_')}")
            how(self.path / name, self.files[name])
        try:
            self.read(", ".join(hurt))
        finally:
            self.mend()

    def ways(self, name: Path) -> list[Callable[[Path, bytes], None]]:
        """Return how a file can be hurt."""
        general = [
            self._bytes,
            self._bytes,
            self._cut,
            self._empty,
            self._removed,
            self._exchanged,
            self._linked,
            self._folder,
            self._pipe,
            self._huge,
        ]
        if name.suffix == ".json":
            return [*general, self._json, self._json, self._json]
        if name.suffix == ".jsonl":
            return [*general, self._record, self._record, self._record]
        return [*general, self._header, self._header]

    # --- ways to hurt a file

    def _replace(self, path: Path, data: bytes) -> None:
        self._gone(path)
        path.write_bytes(data)

    def _gone(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _bytes(self, path: Path, data: bytes) -> None:
        changed = bytearray(data)
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randrange(len(changed) + 1)
            way = self.random.randrange(3)
            if way == 0 and at < len(changed):
                changed[at] ^= 1 << self.random.randrange(8)
            elif way == 1:
                del changed[at : at + self.random.randint(1, 60)]
            else:
                changed[at:at] = self.random.randbytes(self.random.randint(1, 12))
        self._replace(path, bytes(changed))

    def _cut(self, path: Path, data: bytes) -> None:
        self._replace(path, data[: self.random.randrange(len(data) + 1)])

    def _empty(self, path: Path, _data: bytes) -> None:
        self._replace(path, b"")

    def _removed(self, path: Path, _data: bytes) -> None:
        self._gone(path)

    def _exchanged(self, path: Path, _data: bytes) -> None:
        self._replace(path, self.random.choice(list(self.files.values())))

    def _linked(self, path: Path, _data: bytes) -> None:
        self._gone(path)
        path.symlink_to(
            self.random.choice(("/etc/passwd", "nowhere", path.name, "..", "/dev/zero"))
        )

    def _folder(self, path: Path, _data: bytes) -> None:
        self._gone(path)
        path.mkdir()

    def _pipe(self, path: Path, data: bytes) -> None:
        if not hasattr(os, "mkfifo"):
            return self._empty(path, data)
        self._gone(path)
        return os.mkfifo(path)

    def _huge(self, path: Path, data: bytes) -> None:
        # A hole: nothing of it takes room on the disk.
        self._replace(path, data)
        os.truncate(path, 5 << 30)

    def _json(self, path: Path, data: bytes) -> None:
        self._replace(path, json.dumps(self._other(json.loads(data))).encode())

    def _other(self, value: Any) -> Any:
        """Return a value with something in it replaced, dropped or added."""
        junk = self.random.choice(JUNK)
        if isinstance(value, dict) and value and self.random.random() < 0.85:
            name = self.random.choice(list(value))
            way = self.random.randrange(8)
            if way == 0:
                return {key: one for key, one in value.items() if key != name}
            if way == 1:
                return {**value, self.random.choice(("version", "x", "../x")): junk}
            return {**value, name: self._other(value[name])}
        if isinstance(value, list) and value and self.random.random() < 0.7:
            place = self.random.randrange(len(value))
            return [*value[:place], self._other(value[place]), *value[place + 1 :]]
        return junk

    def _record(self, path: Path, data: bytes) -> None:
        """Change a line of a log and give it a good checksum."""
        lines = data.splitlines()
        place = self.random.randrange(len(lines))
        text = json.dumps(self._other(json.loads(lines[place][9:]))).encode()
        lines[place] = b"%08x %s" % (zlib.crc32(text), text)
        self._replace(path, b"\n".join(lines) + b"\n")

    def _header(self, path: Path, data: bytes) -> None:
        """Change the header of a safetensors file, its length given as it is."""
        size = int.from_bytes(data[:8], "little")
        header = json.dumps(self._other(json.loads(data[8 : 8 + size]))).encode()
        self._replace(path, len(header).to_bytes(8, "little") + header + data[8 + size :])

    # --- reading

    def read(self, hurt: str) -> None:
        """Let all that reads runs read it."""
        self.found["folders"] += 1
        run = self._say(hurt, "open", lambda: RunFolder.open(self.path))
        if run is None:
            self.found["refused as a whole"] += 1
            return
        for name, reader in self.readers.items():
            self._say(hurt, name, lambda reader=reader: reader(run))

    def _say(self, hurt: str, what: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except FilterscopeError as error:
            if not error.message.strip() or "\n" in error.message:
                self.faults.append(f"{hurt}: {what}: said {error.message!r}")
            self.found[f"{what}: one sentence"] += 1
        except Exception:
            last = traceback.format_exc().strip().splitlines()
            self.faults.append(f"{hurt}: {what}: {last[-1]} ({last[-3].strip()})")
        return None

    def mend(self) -> None:
        """Bring all files back."""
        for name, data in self.files.items():
            path = self.path / name
            if path.is_symlink() or not path.is_file() or path.stat().st_size != len(data):
                self._replace(path, data)
            elif path.read_bytes() != data:
                path.write_bytes(data)


def main() -> int:
    """Print what was found."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        for number, make in enumerate((autoencoder_run, convnet_run)):
            run, data = make(Path(folder))
            fuzz = Fuzz(run, data, seed + number)
            for _ in range(count // 2):
                fuzz.once()
            print(make.__name__, json.dumps(dict(sorted(fuzz.found.items()))))
            faults += fuzz.faults
    for fault, times in Counter(fault.rpartition("(")[2] for fault in faults).most_common():
        print(f"FAULT  {times} times at {fault}")
    for fault in faults[:20]:
        print(f"FAULT  {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
