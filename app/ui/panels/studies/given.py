"""What a study takes from the lab of its kind of network: settings, and data it can open again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.data.sample import sample_path
from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.errors import UsageError

if TYPE_CHECKING:
    from app.ui.main_window import MainWindow

__all__ = ["given_by"]


def given_by(window: MainWindow, kind: str) -> dict[str, Any]:
    """Return fields of `StudySpec` from a lab of the window.

    Raises
    ------
    UsageError
        Its data is not there, or is of a kind that a study does not open again.
    """
    if kind == "cnn":
        return _of_images(window)
    raw = window.data.raw
    if raw is None:
        raise UsageError("No patches are open.", "Open some in the Data lab first.")
    source = raw.source
    if source.dataset.startswith("cut "):
        raise UsageError(
            "A study does not cut photographs by itself.", "Open a file of patches in the Data lab."
        )
    sample = Path(source.path) == sample_path()
    given: dict[str, Any] = {
        "kind": kind,
        "data": "" if sample else f"{source.path}::{source.dataset}".removesuffix("::"),
        "spec": window.autoencoder_lab.spec.model_dump(),
        "preprocess": window.data.preprocess.model_dump(),
    }
    if not sample:
        # As the window reads it.
        given |= {"layout": source.layout, "value_range": source.value_range}
    return given


def _of_images(window: MainWindow) -> dict[str, Any]:
    lab = window.convnet_lab
    request = lab.session.request
    if lab.model is not None:
        raise UsageError(
            "A study trains networks of layers, not a program of one’s own.",
            "Choose a list of layers in the CNN lab.",
        )
    path = SYNTHETIC_NAME if request is None else request.path
    if request is not None and request.side:
        path = f"{path}::{request.side}"
    return {
        "kind": "cnn",
        "data": "" if path == SYNTHETIC_NAME else path,
        "spec": lab.spec.model_dump(),
        "preprocess": lab.session.spec.model_dump(),
    }
