"""A small study on a file of its own, for the tests of studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.core.studies.folder import StudyFolder
from app.core.studies.spec import StudySpec
from tests.core.trained import images, write

SMALL = {"hidden_units": 6, "batch_size": 16, "epochs": 3}


def small_spec(folder: Path, *, file: Path | None = None, **values: Any) -> StudySpec:
    """Return a study of tiny autoencoders; `values` are other fields, ``set`` among them."""
    file = file or write(folder / "patches.npy", images(64))
    wanted = {**SMALL, **values.pop("set", {})}
    defaults = {"vary": [{"name": "rho", "values": [0.1, 0.3]}], "data": str(file)}
    return StudySpec.build({**defaults, **values, "set": wanted})


def small_study(folder: Path, **values: Any) -> StudyFolder:
    """Make such a study below ``folder / "runs"``."""
    return StudyFolder.create(small_spec(folder, **values), folder / "runs")
