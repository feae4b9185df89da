"""What a run is called: the network and a few letters, or what a person named its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.runs.names import run_name, short_id


@pytest.mark.parametrize(
    ("folder", "name", "letters"),
    [
        ("20261125-130916-autoencoder-1c8354", "autoencoder 1c8354", "1c8354"),
        ("20261125-130916-cnn-4d4c10", "CNN 4d4c10", "4d4c10"),
        # The trash had one of that name.
        ("20261125-130916-cnn-4d4c10-2", "CNN 4d4c10-2", "4d4c10"),
        ("20261125-140833-rho-and-seeds-003", "rho-and-seeds-003", ""),
        ("my best run", "my best run", ""),
        ("20261125-130916-cnn-4d4c10 edges", "cnn-4d4c10 edges", ""),
        ("20261125", "20261125", ""),
        ("", "", ""),
    ],
)
def test_a_run_is_called_by_its_network_and_its_letters(folder, name, letters):
    assert run_name(folder) == name
    assert short_id(Path("runs") / folder) == letters
