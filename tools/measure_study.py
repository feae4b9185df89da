"""How much sooner a study of 12 runs is done with more workers.

    python tools/measure_study.py [DATA] [--epochs 300] [--workers 1 2] [--local]

Dask clusters of this computer, each worker with one thread, one after the other; the time is from
the first run's begin to the last one's end, and beside it with the cluster's start and end.
With --local, plain processes instead of Dask.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
for name in ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from app.core.studies.conduct import StudyControl, StudyEnded, conduct
from app.core.studies.folder import StudyFolder
from app.core.studies.pools import open_pool
from app.core.studies.presets import preset_study


def measure(workers: int, data: str, epochs: int, *, dask: bool) -> tuple[float, float]:
    """Return the seconds of a study, and those with everything around it."""
    vary = [{"name": "rho", "values": [0.2, 0.4, 0.6, 0.8]}]
    spec = preset_study("report-rho", vary=vary, seeds=3, data=data, set={"epochs": epochs})
    with tempfile.TemporaryDirectory() as folder:
        study = StudyFolder.create(spec, Path(folder))
        assert len(study.info.members) == 12
        started = time.perf_counter()
        with open_pool(workers, dask=dask, threads=1) as pool:
            began = time.perf_counter()
            for event in conduct([study], pool, StudyControl()):
                if isinstance(event, StudyEnded):
                    assert event.reason == "done", event
            seconds = time.perf_counter() - began
        return seconds, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default="", help="patches; the sample by default")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--local", action="store_true")
    options = parser.parse_args()
    first = (0.0, 0.0)
    for workers in options.workers:
        found = measure(workers, options.data, options.epochs, dask=not options.local)
        first = first if first[0] else found
        print(
            f"{workers} worker{'s' if workers > 1 else ''}: {found[0]:.1f} s "
            f"({found[0] / first[0]:.2f} ×), with its start and end {found[1]:.1f} s "
            f"({found[1] / first[1]:.2f} ×)",
            flush=True,
        )


if __name__ == "__main__":
    main()
