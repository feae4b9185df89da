"""Write the figures of `make bench` into README.md, as they were measured.

    python main.py bench --json > bench.json
    QT_QPA_PLATFORM=offscreen python tools/bench_window.py --json > window.json
    python tools/readme_measured.py bench.json window.json

Either file may be left out; its table stays as it is then.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parent.parent / "README.md"

# What a peer is called in the table.
PEERS = {
    "torch": "torch",
    "report_loop": "the report's loop",
    "torch_channels_last": "torch, channels last",
    "products": "the products alone",
    "naive": "readable loops",
}


def timings(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a table of benchmarks: our time, and ours / the peer's."""
    rows = ["| | ours | ours / peer |", "|---|---|---|"]
    for name, row in results.items():
        ratios = [
            f"{value:.3g} × {PEERS.get(key.removeprefix('ratio_'), key.removeprefix('ratio_'))}"
            for key, value in row.items()
            if key.startswith("ratio_")
        ]
        title = name.replace("_", " ")
        rows.append(f"| {title} | {row['ours_s'] * 1e3:.3g} ms | {', '.join(ratios)} |")
    return "\n".join(rows)


def figures(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a table of the window's figures beside their bars."""
    rows = ["| | measured | at most |", "|---|---|---|"]
    for name, row in results.items():
        unit = f" {row['unit']}" if row["unit"] else ""
        rows.append(f"| {name} | {row['value']:.3g}{unit} | {row['bar']:g}{unit} |")
    return "\n".join(rows)


def put(text: str, name: str, table: str) -> str:
    """Return the README with a table put between its marks."""
    begin, end = f"<!-- measured: {name} -->", f"<!-- end: {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    text, found = pattern.subn(lambda _: f"{begin}\n{table}\n{end}", text)
    if found != 1:
        raise SystemExit(f"README.md has {found} places for “{name}”, not one.")
    return text


def main() -> int:
    text = README.read_text(encoding="utf-8")
    for path in map(Path, sys.argv[1:]):
        results = json.loads(path.read_text(encoding="utf-8"))
        window = all("bar" in row for row in results.values())
        name, table = ("window", figures(results)) if window else ("bench", timings(results))
        text = put(text, name, table)
    README.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
