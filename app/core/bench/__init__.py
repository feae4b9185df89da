"""How fast it is, as ratios measured in one run on whatever machine this is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.core import kernels
from app.core.bench import autoencoder, convnet, layers
from app.core.bench.compare import Bench, Say
from app.core.errors import UsageError

__all__ = ["BENCHES", "run", "table"]

BENCHES: dict[str, Bench] = {**autoencoder.BENCHES, **layers.BENCHES, **convnet.BENCHES}


def run(names: Sequence[str] = (), say: Say | None = None) -> dict[str, dict[str, Any]]:
    """Return ``{name: {"ours_s", "<peer>_s", "ratio_<peer>"}}``; a ratio is ours / peer.

    Layers have ``"error_<peer>"`` too: the largest difference, relative to the largest number.

    Parameters
    ----------
    names : sequence of str
        Some of `BENCHES`; all by default.
    say : callable, optional
        Told what is measured.

    Raises
    ------
    UsageError
        There is no benchmark of that name.
    """
    for name in names:
        if name not in BENCHES:
            raise UsageError(f"There is no benchmark “{name}”.", f"There are {', '.join(BENCHES)}.")
    if say is not None and not kernels.COMPILED:
        say(f"ours is the NumPy twin: {kernels.REASON}")
    results = {}
    for name in names or BENCHES:
        if say is not None:
            say(f"measuring {name} …")
        results[name] = BENCHES[name](say or (lambda _text: None))
    return results


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return the results as lines: peer, its time, and how many times ours is faster."""
    lines = []
    for name, row in results.items():
        lines.append(f"{name:38} ours {row['ours_s'] * 1e3:9.2f} ms")
        for key, value in row.items():
            if key.startswith("ratio_"):
                peer = key.removeprefix("ratio_")
                lines.append(
                    f"    {peer:34} {row[f'{peer}_s'] * 1e3:9.2f} ms   ours / it {value:6.3f}   "
                    f"{1 / value:6.2f} × faster"
                )
    return "\n".join(lines)
