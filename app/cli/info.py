"""``filterscope info``: what is in a file, what is refused, and why."""

from __future__ import annotations

import argparse
import json
from typing import Any

from app.cli.options import command, json_flag
from app.core.errors import UsageError

__all__ = ["add_info", "run_info"]


def add_info(commands: Any) -> None:
    """Add ``info``."""
    parser = command(commands, "info", "Say what is in a file, what is refused, and why", run_info)
    parser.add_argument("file", metavar="FILE[::dataset]")
    json_flag(parser)


def run_info(options: argparse.Namespace) -> int:
    """``filterscope info FILE``."""
    from app.core.data.files import split_name
    from app.core.data.reader import inspect

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
