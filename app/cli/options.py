"""What commands share: how they are declared, and how a setting is read and written."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.core.errors import UsageError
from app.core.params import Parameter, Spec, describe, format_number, parse_setting

__all__ = [
    "AnyOrder",
    "command",
    "json_flag",
    "parse_setting",
    "read_assignments",
    "settings_help",
    "shown",
]


class AnyOrder(argparse.ArgumentParser):
    """A parser that takes words and options in any order, ``report --page x.html DATA`` too.

    Argparse by itself gives all words that may be left out the ones before the first option.
    """

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Argparse: take options first, then the words that are left."""
        # A command of commands hands all that follows to one of them.
        if self._mixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


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


def read_assignments(
    assignments: Sequence[str], classes: Sequence[type[Spec]]
) -> dict[type[Spec], dict[str, Any]]:
    """Return what ``NAME=VALUE`` each mean, by the settings they belong to.

    Raises
    ------
    UsageError
        There is no such setting, or its value cannot be meant.
    """
    known: dict[str, tuple[type[Spec], Parameter]] = {}
    for cls in classes:
        known.update({parameter.name: (cls, parameter) for parameter in describe(cls)})
    values: dict[type[Spec], dict[str, Any]] = {cls: {} for cls in classes}
    for assignment in assignments:
        name, mark, text = assignment.partition("=")
        name = name.strip()
        if not mark:
            raise UsageError(f"“{assignment}” is not NAME=VALUE.")
        if name not in known:
            raise UsageError(f"There is no setting “{name}”.", f"There are {', '.join(known)}.")
        owner, parameter = known[name]
        values[owner][name] = parse_setting(parameter, text.strip())
    return values


def settings_help(classes: Sequence[type[Spec]], presets: Mapping[str, Any]) -> str:
    """Return a table of all settings and presets, to stand below a command's options."""
    lines = ["settings (--set name=value):"]
    for cls in classes:
        for parameter in describe(cls):
            default = shown(parameter.default)
            lines.append(f"  {parameter.name:14} {default:>9}   {parameter.hyper.teaches}")
            lines.append(f"  {'':14} {'':>9}   {parameter.range_text}")
    lines.append("presets (--preset NAME):")
    lines.extend(
        f"  {name:14} “{preset.title}”: {preset.teaches}" for name, preset in presets.items()
    )
    return "\n".join(lines)
