"""The script that repeats a run, as a notebook: a cell for each of its parts, with words between."""

from __future__ import annotations

import re
from typing import Any

import nbformat

from app.core.history import History
from app.core.runs import RunInfo
from app.core.runs.info import when_in_words
from app.core.script import repeat_script

__all__ = ["notebook_bytes"]

# The library says no types.
_library: Any = nbformat

# What stands before a part of the script, by what the part begins with.
WORDS = {
    "path": "## Settings\n\nAs they were when the run began. `changes` are the live values that were moved, with the number of steps that were done by then.",
    "def sigmoid": "## The unit\n\n$\\sigma(a) = 1 / (1 + e^{-a})$, without overflow for large $|a|$.",
    "def read": "## The data\n\nPatches from the file, axes put in order, values from 0 to 1.",
    "def prepare": "## Preprocessing\n\nThe same steps, in the same order, measured on the same patches.",
    "def gradient": "## Cost and gradient\n\n$$J = \\frac{1}{2N}\\sum_n \\lVert o_n - x_n \\rVert^2 + \\frac{\\lambda}{2}\\left(\\lVert W_1 \\rVert^2 + \\lVert W_2 \\rVert^2\\right) + \\beta \\sum_j \\mathrm{KL}(\\rho \\,\\Vert\\, \\hat\\rho_j)$$",
    "x = prepare": "## Training\n\nFirst weights and the order of the patches follow from the seed.",
}
SHOW = """# The filters, side by side; the last line of a cell is shown.
from PIL import Image

channels = 1 if grayscale else image_shape[0]
tiles = weights[0].T.reshape(L, channels, *image_shape[1:])
low, high = (f(tiles, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
tiles = 255 * (tiles - low) / np.maximum(high - low, 1e-12)
across = int(np.ceil(np.sqrt(L)))
canvas = np.full((-(-L // across), across, channels, *(n + 1 for n in image_shape[1:])), 255.0)
canvas.reshape(-1, *canvas.shape[2:])[:L, :, :-1, :-1] = tiles
canvas = canvas.transpose(0, 3, 1, 4, 2).reshape(canvas.shape[0] * canvas.shape[3], -1, channels)
picture = Image.fromarray(canvas.astype(np.uint8).squeeze())
picture.resize((picture.width * 4, picture.height * 4), Image.Resampling.NEAREST)"""


def notebook_bytes(info: RunInfo, history: History) -> bytes:
    """Return a notebook that trains an autoencoder's run again, in NumPy alone.

    Raises
    ------
    UsageError
        There is no such script for this run, see `repeat_script`.
    """
    parts = _parts(repeat_script(info, history))
    lead = (
        "# A sparse autoencoder, trained again\n\n"
        "This notebook repeats a run of Filterscope with NumPy alone (h5py reads an HDF5 file, "
        "Pillow shows the filters). It gives the same curve within rounding.\n\n"
        f"Run `{info.run_id}`, started {when_in_words(info.started)}, seed {info.spec.seed}."
    )
    cells = [_library.v4.new_markdown_cell(lead)]
    for part in parts:
        for start, words in WORDS.items():
            if re.match(rf"{re.escape(start)}\b", _without_comments(part)):
                cells.append(_library.v4.new_markdown_cell(words))
        cells.append(_library.v4.new_code_cell(part))
    cells += [_library.v4.new_markdown_cell("## What was learned"), _library.v4.new_code_cell(SHOW)]
    for number, cell in enumerate(cells):
        # The library draws names by lot; the same run is to give the same file.
        cell["id"] = f"cell-{number}"
    notebook = _library.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    _library.validate(notebook)
    text: str = _library.writes(notebook)
    return text.encode()


def _parts(script: str) -> list[str]:
    """Return the script's imports, settings, functions and loop, each on its own."""
    body = script.partition('"""\n')[2].lstrip()
    imports, _, rest = body.partition("\n\n")
    settings, *others = rest.split("\n\n\n")
    return [part.strip() for part in (imports, settings, *others)]


def _without_comments(part: str) -> str:
    lines = part.splitlines()
    # Settings begin with any name: their part is told by the path among them.
    return next((x for x in lines if x.startswith(("path =", "def ", "x = prepare"))), part)
