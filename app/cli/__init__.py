"""The command line: the same core as the window, without any Qt.

Progress goes to standard error, results to standard output. Exit codes: 0 done, 1 failed,
2 usage or refused input, 130 interrupted after saving.
"""

from __future__ import annotations

from app.cli.parser import build_parser, main

__all__ = ["build_parser", "main"]
