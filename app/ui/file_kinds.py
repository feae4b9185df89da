"""What file dialogs offer."""

from __future__ import annotations

from app.core.data.files import PHOTOGRAPHS
from app.core.data.weights_file import SUFFIXES

__all__ = [
    "LABELLED_FILES",
    "MODEL_FILES",
    "PATCH_FILES",
    "PHOTOGRAPH_FILES",
    "RUN_FILES",
    "WEIGHT_FILES",
]

_ALL = "All files (*)"
_PHOTOGRAPHS = " ".join(f"*{suffix}" for suffix in PHOTOGRAPHS)
_WEIGHTS = " ".join(f"*{suffix}" for suffix in SUFFIXES)

PATCH_FILES = f"Patches (*.h5 *.hdf5 *.mat *.npy *.npz);;{_ALL}"
PHOTOGRAPH_FILES = f"Photographs ({_PHOTOGRAPHS});;{_ALL}"
LABELLED_FILES = f"Images (*.h5 *.hdf5 *.mat *.npz *.bin *.gz *.tar {_PHOTOGRAPHS});;{_ALL}"
MODEL_FILES = f"Python (*.py);;{_ALL}"
WEIGHT_FILES = f"Weights ({_WEIGHTS});;{_ALL}"
RUN_FILES = f"Runs (*.filterscope);;{_ALL}"
