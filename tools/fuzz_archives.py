"""Open damaged .filterscope files, many of them: each is a valid run, or refused in one sentence.

    python tools/fuzz_archives.py 20000 [SEED]

The mutants are those of tests/core/takeaway/test_archive.py, which opens some of them each time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.core.takeaway.test_archive import fuzz


def main(count: int, seed: int) -> None:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        let_in, refused = fuzz(Path(folder), count, seed)
    seconds = time.perf_counter() - began
    print(f"{count} mutants, seed {seed}: {let_in} valid runs, {refused} refused, {seconds:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
