"""``filterscope export``: what a run learned, as files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from app.cli.options import command, json_flag
from app.core.errors import UsageError

__all__ = ["add_export", "run_export"]


def add_export(commands: Any) -> None:
    """Add ``export``."""
    parser = command(commands, "export", "Write what a run learned as files", run_export)
    parser.add_argument("run_folder", metavar="RUN", type=Path)
    parser.add_argument(
        "--what",
        required=True,
        choices=["filters", "reconstructions", "curves", "report", "script", "weights"],
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="PATH",
        type=Path,
        help="its ending chooses the kind of file",
    )
    parser.add_argument("--zoom", type=int, default=8, metavar="K", help="pixels for a pixel (8)")
    parser.add_argument("--scale", choices=["own", "common", "diverging"], default="own")
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    json_flag(parser)


def run_export(options: argparse.Namespace) -> int:
    """``filterscope export RUN --what … --out PATH``."""
    from app.core.run_exports import export_run
    from app.core.runs import RunFolder
    from app.core.storage import save_bytes

    if not 1 <= options.zoom <= 64:
        raise UsageError("--zoom must lie between 1 and 64.")
    run = RunFolder.open(options.run_folder)
    data, notes = export_run(
        run,
        options.what,
        options.out.suffix.lstrip(".").lower(),
        zoom=options.zoom,
        scale=options.scale,
    )
    for note in notes:
        print(f"filterscope: {note}", file=sys.stderr)
    save_bytes(options.out, data, overwrite=options.force)
    print(
        json.dumps({"path": str(options.out), "bytes": len(data)}) if options.json else options.out
    )
    return 0
