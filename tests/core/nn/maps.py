"""What single rows of a network give, for tests."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from app.core.nn.network import Network


def maps_of(network: Network, x: NDArray[Any], place: tuple[int, ...]) -> NDArray[Any]:
    """Return what the row at `place` gives for images (N, C, H, W)."""
    return {layer.place: out for layer, out in network.outputs(x)}[place]
