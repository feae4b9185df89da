"""What file dialogs offer."""

from __future__ import annotations

from app.core.data.files import PHOTOGRAPHS

__all__ = ["LABELLED_FILES", "PATCH_FILES", "PHOTOGRAPH_FILES"]

_ALL = "All files (*)"
_PHOTOGRAPHS = " ".join(f"*{suffix}" for suffix in PHOTOGRAPHS)

PATCH_FILES = f"Patches (*.h5 *.hdf5 *.mat *.npy *.npz);;{_ALL}"
PHOTOGRAPH_FILES = f"Photographs ({_PHOTOGRAPHS});;{_ALL}"
LABELLED_FILES = f"Images (*.h5 *.hdf5 *.mat *.npz *.bin *.gz *.tar {_PHOTOGRAPHS});;{_ALL}"
