"""How ours and its peers are timed: in turn, many times, and the best of each is compared.

The noise of a shared machine only ever makes things slower.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from app.core.threads import cores

__all__ = ["Bench", "Say", "compare", "torch_here"]

Say = Callable[[str], None]
Bench = Callable[[Say], dict[str, Any]]

ROUNDS = 6
# Turns are of several calls: threads of the one before may spin for a while before they sleep.
CALLS = 5


def compare(
    ours: Callable[[], object],
    peers: Mapping[str, Callable[[], object]],
    slow: Mapping[str, Callable[[], object]] | None = None,
) -> dict[str, Any]:
    """Return ``{"ours_s", "<peer>_s", "ratio_<peer>"}``: best times in seconds, and ours / peer.

    Parameters
    ----------
    ours : callable
    peers : mapping of callables
        Called in turn with ours.
    slow : mapping of callables, optional
        Peers that take seconds, and are called once.
    """
    best = {"ours": np.inf, **dict.fromkeys(peers, np.inf)}
    for _ in range(ROUNDS):
        for name, function in {"ours": ours, **peers}.items():
            for _ in range(CALLS):
                best[name] = min(best[name], _seconds(function))
    for name, function in (slow or {}).items():
        best[name] = _seconds(function)
    row = {f"{name}_s": seconds for name, seconds in best.items()}
    row.update({f"ratio_{name}": best["ours"] / best[name] for name in best if name != "ours"})
    return row


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def torch_here(say: Say, afterwards: ExitStack) -> Any:
    """Return torch with all cores until `afterwards` closes; None where there is none."""
    try:
        import torch
    except (ImportError, OSError) as error:
        say(f"torch is left out: {error}")
        return None
    afterwards.callback(torch.set_num_threads, torch.get_num_threads())
    torch.set_num_threads(cores())
    return torch
