"""``filterscope check``: every layer against what is known about it, one line each."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from app.cli.options import command, json_flag

__all__ = ["add_check", "run_check"]

EPILOG = """NAME is a check's or a group's name. Without any, all checks are made that take no more than a
few seconds; --all adds those that train and those of the report's large shapes. Exit code 1 says
that a check has failed; one that cannot be made here, for want of data or a compiler, has not."""


def add_check(commands: Any) -> None:
    """Add ``check``."""
    parser = command(
        commands,
        "check",
        "Check every layer: reference values, gradients, twins, trainings",
        run_check,
        epilog=EPILOG,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="some of --list")
    parser.add_argument("--all", action="store_true", help="also those that take minutes")
    parser.add_argument("--list", action="store_true", help="say what there is, and check nothing")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="CIFAR-10, a folder or an archive, for the checks that train on it",
    )
    json_flag(parser)


def run_check(options: argparse.Namespace) -> int:
    """``filterscope check``."""
    from app.core import checks

    found = checks.chosen(options.names)
    if not options.names and not options.all and not options.list:
        found = [one for one in found if not one.slow]
    if options.list:
        return _list(found, as_json=options.json)
    conditions = checks.Conditions(data=options.data, between=_tell)
    outcomes = []
    for one in found:
        outcome = checks.run_check(one, conditions)
        _clear()
        outcomes.append(outcome)
        if not options.json:
            print(outcome.line(), flush=True)
    if options.json:
        print(json.dumps([outcome.as_json() for outcome in outcomes], ensure_ascii=False))
    else:
        failed = sum(outcome.passed is False for outcome in outcomes)
        missing = sum(outcome.passed is None for outcome in outcomes)
        made = len(outcomes) - missing
        print(f"{made - failed} of {made} passed" + (f", {missing} not here" if missing else ""))
    return 1 if any(outcome.passed is False for outcome in outcomes) else 0


def _list(found: list[Any], *, as_json: bool) -> int:
    if as_json:
        rows = [
            {"name": c.name, "group": c.group, "description": c.description, "slow": c.slow}
            for c in found
        ]
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    group = ""
    for one in found:
        if one.group != group:
            group = one.group
            print(group)
        print(f"  {one.name:27} {one.description}{' (slow)' if one.slow else ''}")
    return 0


def _tell(text: str, share: float) -> None:
    """Say on a terminal what a slow check does; elsewhere nothing."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text} {share:.0%}", end="", file=sys.stderr, flush=True)


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
