"""What is asked and told while something takes long."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Cancel", "Progress"]

# Asked now and then: true when it is not wanted any more. `Cancelled` is raised then.
Cancel = Callable[[], bool]
# Told now and then: how much is done, 0 … 1, and of what.
Progress = Callable[[float, str], None]
