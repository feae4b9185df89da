"""``filterscope bench``: timings as ratios in one run."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from app.cli.options import command, json_flag

__all__ = ["add_bench", "run_bench"]


def add_bench(commands: Any) -> None:
    """Add ``bench``."""
    from app.core.bench import BENCHES

    parser = command(
        commands,
        "bench",
        "Measure against twins, torch and the hardware, as ratios in one run",
        run_bench,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHES)}; all by default"
    )
    json_flag(parser)


def run_bench(options: argparse.Namespace) -> int:
    """``filterscope bench``."""
    from app.core import bench

    results = bench.run(options.names, say=lambda text: print(text, file=sys.stderr))
    print(json.dumps(results) if options.json else bench.table(results))
    return 0
