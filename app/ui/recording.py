"""The window's runs are recorded like any other's."""

from __future__ import annotations

from app.core.data.patches import Patches
from app.core.runs import Recorder, RunFolder
from app.core.settings import data_folder
from app.core.specs import AutoencoderSpec

__all__ = ["make_recorder"]


def make_recorder(run_id: str, spec: AutoencoderSpec, patches: Patches, threads: int) -> Recorder:
    """Make the folder of a run; raises `StorageError` before training, not after."""
    run = RunFolder.create(
        data_folder(),
        kind="autoencoder",
        run_id=run_id,
        spec=spec,
        preprocess=patches.fitted.spec,
        source=patches.source,
        threads=threads,
    )
    return Recorder(run)
