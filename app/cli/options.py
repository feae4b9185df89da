"""What commands share: how they are declared, and how a setting is read and written."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from app.core.errors import UsageError
from app.core.params import Parameter, format_number, parse_number

__all__ = ["command", "json_flag", "parse_setting", "shown"]


def command(
    commands: Any, name: str, text: str, run: Callable[[Any], int], **more: Any
) -> argparse.ArgumentParser:
    """Add a command that `run` carries out; returns its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **more,
    )
    parser.set_defaults(run=run)
    return parser


def json_flag(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def shown(value: Any) -> str:
    """Return a setting's value as it is typed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_number(value) if isinstance(value, int | float) else str(value)


def parse_setting(parameter: Parameter, text: str) -> Any:
    """Return what `text` means for a setting.

    Raises
    ------
    UsageError
        It cannot be meant for it.
    """
    if parameter.kind == "bool":
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise UsageError(f"{parameter.name} = “{text}” is neither yes nor no.")
        return words[text.lower()]
    if parameter.kind == "choice":
        return text
    value = parse_number(text)
    if parameter.kind == "int":
        if not value.is_integer():
            raise UsageError(f"{parameter.name} = {text} is not a whole number.")
        return int(value)
    return value
