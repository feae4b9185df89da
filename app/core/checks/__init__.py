"""The checks of the layer workbench: every layer against what is known about it.

`CHECKS` has them all; `run_check` makes one.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.core.checks import (
    convnet,
    convolution,
    dense,
    five_ways,
    norms,
    pictures,
    pooling,
    sandwiches,
    trainings,
)
from app.core.checks.outcomes import Check, Conditions, Measure, NotHere, Outcome, run_check
from app.core.errors import UsageError

__all__ = [
    "CHECKS",
    "Check",
    "Conditions",
    "Measure",
    "NotHere",
    "Outcome",
    "chosen",
    "run_check",
]

CHECKS: dict[str, Check] = {
    check.name: check
    for module in (
        convolution,
        pooling,
        sandwiches,
        dense,
        norms,
        convnet,
        five_ways,
        trainings,
        pictures,
    )
    for check in module.CHECKS
}


def chosen(names: Sequence[str] = ()) -> list[Check]:
    """Return the checks of these names or groups, all of them by default.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    found = []
    for name in names:
        some = [check for check in CHECKS.values() if name in (check.name, check.group)]
        if not some:
            raise UsageError(f"There is no check “{name}”.", "--list names them.")
        found += [check for check in some if check not in found]
    return found if names else list(CHECKS.values())
