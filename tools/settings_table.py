"""Write the tables of docs/settings.md from the specs.

    python tools/settings_table.py

A test fails when that page is not in step.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "settings.md"
sys.path.insert(0, str(ROOT))

from app.core.params import Parameter, Spec, describe, format_number
from app.core.specs import AutoencoderSpec, ConvNetSpec, ImageSpec, PreprocessSpec

PARTS: tuple[tuple[str, type[Spec]], ...] = (
    ("autoencoder", AutoencoderSpec),
    ("preprocessing", PreprocessSpec),
    ("cnn", ConvNetSpec),
    ("images", ImageSpec),
)
HEAD = "| setting | default | may be | while training | |\n|---|---|---|---|---|"


def default(parameter: Parameter) -> str:
    """Return the default as it is typed on the command line."""
    if parameter.kind == "bool":
        return "yes" if parameter.default else "no"
    if parameter.kind in ("choice", "text"):
        return str(parameter.default)
    return format_number(parameter.default)


def table(spec: type[Spec]) -> str:
    """Return the settings of a spec as a Markdown table."""
    rows = [HEAD]
    for parameter in describe(spec):
        hyper = parameter.hyper
        symbol = f" {hyper.symbol}" if hyper.symbol else ""
        live = "yes" if hyper.live else ""
        rows.append(
            f"| `{parameter.name}`{symbol} | {default(parameter)} | {parameter.range_text} | {live} | {hyper.teaches} |"
        )
    return "\n".join(rows)


def filled(text: str) -> str:
    """Return the page with its tables written anew between their marks."""
    for name, spec in PARTS:
        begin, end = f"<!-- settings: {name} -->", f"<!-- end: {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        text, found = pattern.subn(lambda _: f"{begin}\n{table(spec)}\n{end}", text)  # noqa: B023
        if found != 1:
            raise SystemExit(f"docs/settings.md has {found} places for “{name}”, not one.")
    return text


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
