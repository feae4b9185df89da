"""In what a branch may differ from its parent, and what it says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.errors import UsageError
from app.core.history import History
from app.core.params import Parameter, describe
from app.core.runs import ParentInfo, RunFolder
from app.core.specs import TrainingSpec

__all__ = ["FIXED", "branch_settings", "check_changes", "parent_info", "settings_then"]

# What the weights, their order of visiting and what computes them depend on.
FIXED = (
    "hidden_units",
    "decoder",
    "held_out",
    "layers",
    "initialisation",
    "weight_scale",
    "precision",
    "seed",
    "engine",
    "device",
    "level",
    "mixed_precision",
    "channels_last",
    "compile",
    # By what the best model of the parent was chosen.
    "mirror_looks",
)


def branch_settings(spec: type[TrainingSpec]) -> list[Parameter]:
    """Return the settings in which a branch may differ from its parent."""
    return [parameter for parameter in describe(spec) if parameter.name not in FIXED]


def settings_then(run: RunFolder, history: History, step: int) -> TrainingSpec:
    """Return the settings with which a run took the step after `step`."""
    moved = {change.name: change.new for at, change in history.changes if at <= step}
    known = {name: value for name, value in moved.items() if hasattr(run.info.spec, name)}
    return run.info.spec.changed(**known)


def parent_info(
    run: RunFolder, step: int, epoch: float, before: TrainingSpec, now: TrainingSpec
) -> ParentInfo:
    """Return what a child says of the run it goes on from, and of what was changed."""
    then, since = before.model_dump(), now.model_dump()
    return ParentInfo(
        run_id=run.info.run_id,
        name=run.path.name,
        step=step,
        epoch=epoch,
        changes=tuple(
            (name, then[name], since[name])
            for name in since
            if name in then and then[name] != since[name]
        ),
    )


def check_changes(spec: type[TrainingSpec], changes: Mapping[str, Any]) -> None:
    """Refuse settings that a branch has from its parent; raises `UsageError`."""
    allowed = [parameter.name for parameter in branch_settings(spec)]
    for name in changes:
        if name in FIXED:
            raise UsageError(
                f"A branch keeps {name}: its weights depend on it.",
                f"It may change {', '.join(allowed)}.",
            )
