"""What a race takes from the lab of its kind of network: open data, and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.core.errors import UsageError
from app.core.race.entry import Settings

if TYPE_CHECKING:
    from app.ui.main_window import MainWindow

__all__ = ["given_by"]


def given_by(window: MainWindow, kind: str) -> tuple[Any, Settings]:
    """Return the data and the settings of a lab of the window.

    Raises
    ------
    UsageError
        There is no data, or another network than one of layers.
    """
    if kind == "autoencoder":
        patches = window.data.patches
        if patches is None:
            raise UsageError("No patches are open.", "Open some in the Data lab first.")
        return patches, window.spec
    lab = window.convnet_lab
    if lab.model is not None:
        raise UsageError(
            "A race is of networks of layers, not of a program of one’s own.",
            "Choose a list of layers in the CNN lab.",
        )
    if lab.data is None:
        # As when the CNN lab is first seen: the images of that name are drawn.
        lab.session.open_first()
        raise UsageError("The images are not there yet.")
    spec: Settings = lab.spec
    return lab.data, spec
