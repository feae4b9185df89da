"""To go on from any moment of a run with other settings, as a run of its own.

The parent is only read. Where one of its checkpoints is of that very step, the child goes on with
all that the solver remembers, to the same bits; else it has the weights of a keyframe, and the
solver begins to remember anew.

settings.py   in what a branch may differ from its parent, and what it says of it
moment.py     the last moment of which all weights are known
child.py      a branch that is ready to begin
prepare.py    all that it needs, read and checked
"""

from __future__ import annotations

from app.core.branch.child import Branch
from app.core.branch.prepare import prepare_branch
from app.core.branch.settings import FIXED, branch_settings, parent_info, settings_then

__all__ = [
    "FIXED",
    "Branch",
    "branch_settings",
    "parent_info",
    "prepare_branch",
    "settings_then",
]
