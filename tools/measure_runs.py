"""Measure how long a table of many runs takes to read: ``python -m tools.measure_runs [COUNT]``.

The folders are those of one small training, copied under other names, in a temporary folder.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.patches import Source
from app.core.learners import AutoencoderLearner
from app.core.run_table import read_rows
from app.core.runs import Recorder, RunFolder
from app.core.runs.labels import RunLabels, write_labels
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.training import train


def one_run(root: Path) -> RunFolder:
    """Train a small autoencoder and keep the run."""
    x = np.random.default_rng(0).uniform(0.1, 0.9, (200, 64)).astype(np.float32)
    spec = AutoencoderSpec(hidden_units=9, batch_size=50, epochs=20)
    run = RunFolder.create(
        root,
        kind="autoencoder",
        run_id=uuid.uuid4().hex,
        spec=spec,
        preprocess=PreprocessSpec(),
        source=Source("made", "data", "NHW", "0..1", 200, (1, 8, 8), "float32", "0" * 64),
        threads=1,
    )
    recorder = Recorder(run)
    order = EpochOrder(200, spec.seed)
    for event in train(
        AutoencoderLearner(x, spec, threads=1),
        spec,
        Control(),
        examples=200,
        order=order,
        run_id=run.info.run_id,
    ):
        recorder.take(event)
    recorder.close()
    write_labels(run.path, RunLabels(tags=("measured",), note="one of many"))
    return run


def main() -> None:
    """Print the best of three."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        run = one_run(root)
        for number in range(count - 1):
            shutil.copytree(run.path, root / f"{run.path.name}-{number:04d}")
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            rows = read_rows(root)
            words = [row.words for row in rows]
            seconds.append(time.perf_counter() - began)
        assert len(rows) == len(words) == count
        print(
            f"{count} runs listed, with the words that a search looks through: {min(seconds):.2f} s"
        )


if __name__ == "__main__":
    main()
