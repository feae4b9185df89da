"""``filterscope export``: what a run learned, as files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from app.cli.options import command, json_flag
from app.core.errors import AlreadyExistsError, UsageError

__all__ = ["KINDS", "add_export", "run_export"]

# As in `app.core.run_exports`, which is slow to import: a test holds them together.
KINDS = {
    "filters": ("png", "svg"),
    "reconstructions": ("png", "svg"),
    "poster": ("svg", "pdf"),
    "film": ("gif", "png", "mp4"),
    "curves": ("csv", "svg", "png", "tfevents"),
    "weights": ("npz", "safetensors", "pt", "onnx"),
    "report": ("html", "pdf"),
    "script": ("py",),
    "notebook": ("ipynb",),
    "archive": ("filterscope",),
}


def add_export(commands: Any) -> None:
    """Add ``export``."""
    lines = [
        f"  {what:16} {', '.join('.' + kind for kind in kinds)}" for what, kinds in KINDS.items()
    ]
    parser = command(
        commands,
        "export",
        "Write what a run learned as files",
        run_export,
        epilog="what there is, and the endings of PATH:\n" + "\n".join(lines),
    )
    parser.add_argument(
        "run_folder", metavar="RUN", help="its folder, its name, or six letters of it"
    )
    parser.add_argument(
        "--what",
        required=True,
        choices=list(KINDS),
        help="what; see below",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="PATH",
        type=Path,
        help="its ending chooses the kind of file",
    )
    parser.add_argument(
        "--zoom", type=int, metavar="K", help="pixels for a pixel (8; of a film, what is handy)"
    )
    parser.add_argument(
        "--scale",
        choices=["own", "common", "diverging"],
        help="what becomes black and white: of each filter, or of all (own)",
    )
    parser.add_argument("--fps", type=float, default=12.0, metavar="N", help="frames a second (12)")
    parser.add_argument(
        "--no-checkpoints",
        action="store_true",
        help="an archive without what is needed to go on with the run",
    )
    parser.add_argument(
        "--with-data", action="store_true", help="an archive with a copy of a small data file"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    json_flag(parser)


def run_export(options: argparse.Namespace) -> int:
    """``filterscope export RUN --what … --out PATH``."""
    from app.cli.progress import Progress
    from app.core.run_exports import export_run
    from app.core.run_table import find_run
    from app.core.runs import RunFolder
    from app.core.storage import save_bytes

    if options.zoom is not None and not 1 <= options.zoom <= 64:
        raise UsageError("--zoom must lie between 1 and 64.")
    # Asked before minutes are spent on what cannot be kept.
    if os.path.lexists(options.out) and not options.force:
        raise AlreadyExistsError(
            f"{options.out.name} exists already.", "Choose another name, or add --force."
        )
    run = RunFolder.open(find_run(options.run_folder))
    screen = Progress()
    data, notes = export_run(
        run,
        options.what,
        options.out.suffix.lstrip(".").lower(),
        zoom=options.zoom,
        scale=options.scale,
        fps=options.fps,
        checkpoints=not options.no_checkpoints,
        data=options.with_data,
        progress=screen.share,
    )
    screen.end()
    for note in notes:
        print(f"filterscope: {note}", file=sys.stderr)
    save_bytes(options.out, data, overwrite=options.force)
    print(
        json.dumps({"path": str(options.out), "bytes": len(data)}) if options.json else options.out
    )
    return 0
