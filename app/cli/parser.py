"""All commands, and what becomes of what they raise."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from app import __version__
from app.cli.bench import add_bench
from app.cli.check import add_check
from app.cli.export import add_export
from app.cli.info import add_info
from app.cli.options import AnyOrder
from app.cli.processes import refuse_several
from app.cli.race import add_race
from app.cli.range import add_range
from app.cli.runs import add_runs
from app.cli.study import add_study
from app.cli.train import add_train
from app.core.errors import FilterscopeError

__all__ = ["build_parser", "main"]

WITHOUT_COMMAND = """without a command:
  filterscope [FILE] [--theme dark|light|system] [--safe-mode] [--reset-settings]
              the window; FILE is opened instead of the sample patches
  filterscope --install-shortcut
              an icon on the desktop and in the menu"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    _speak_any_name()
    parser = build_parser()
    options = parser.parse_args(argv)
    try:
        refuse_several(options)
        code: int = options.run(options)
    except FilterscopeError as error:
        print(f"filterscope: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return error.exit_code
    except MemoryError:
        print("filterscope: There is not enough memory for this.", file=sys.stderr)
        print("  Take fewer patches, or a smaller network.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("filterscope: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        sys.stderr.close()
        return 1
    return code


def _speak_any_name() -> None:
    """Let standard output take file names that are no text, and letters its encoding lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        any_text = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if any_text else "backslashreplace")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; every setting in it is read from the specs."""
    parser = argparse.ArgumentParser(
        prog="filterscope",
        description="A desktop laboratory for seeing what small networks learn.",
        epilog=WITHOUT_COMMAND,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"filterscope {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=AnyOrder)
    add_info(commands)
    add_train(commands)
    add_range(commands)
    add_check(commands)
    add_bench(commands)
    add_export(commands)
    add_runs(commands)
    add_study(commands)
    add_race(commands)
    return parser
