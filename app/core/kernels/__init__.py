"""The loops that must be fast, compiled where a compiler was there, with readable twins.

`choose` returns the module to use; `COMPILED` and `REASON` say which it will be and why. All that it
has is here by its own name too, as fast as it can be had: ``kernels.conv_forward`` is the compiled
one, or its twin.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from app.core.kernels import reference
from app.core.kernels.reference import *

__all__ = ["COMPILED", "LAYERS", "REASON", "choose"]
__all__ += reference.__all__

LAYERS = tuple(
    sorted(name for name in reference.__all__ if name.endswith(("_forward", "_backward", "_loss")))
)

COMPILED = False
REASON = ""
_compiled: Any = None

if os.environ.get("FILTERSCOPE_KERNELS") == "reference":
    REASON = "asked for by FILTERSCOPE_KERNELS"
else:
    try:
        from app.core.kernels import compiled as _compiled

        COMPILED = True
    except ImportError as error:
        if importlib.util.find_spec("app.core.kernels._autoencoder") is None:
            REASON = "no compiler was there when it was installed"
        else:
            REASON = f"the compiled part cannot be loaded: {error}"


def choose(engine: str | None = None) -> Any:
    """Return the module ``compiled`` or ``reference``; the fastest there is by default.

    Raises
    ------
    ValueError
        `engine` is compiled and there are no compiled kernels.
    """
    if engine == "reference" or (engine is None and not COMPILED):
        return reference
    if not COMPILED:
        raise ValueError(f"there are no compiled kernels: {REASON}")
    return _compiled


if COMPILED:
    globals().update({name: getattr(_compiled, name) for name in reference.__all__})
