"""The window: it shows what the core does and owns none of it."""

from __future__ import annotations

import sys


def _without_cuda() -> None:
    """Import pyqtgraph without the CUDA bindings that it looks for, and nobody here needs.

    Where torch is installed they are too, and loading them takes as long as all of Qt.
    """
    absent = "cuda.bindings"
    if "pyqtgraph" in sys.modules or absent in sys.modules:
        return
    sys.modules[absent] = None  # type: ignore[assignment]
    try:
        import pyqtgraph  # noqa: F401
    finally:
        del sys.modules[absent]


_without_cuda()
