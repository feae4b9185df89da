"""A network as one writes it by hand in PyTorch, at each of the exercise's three levels.

    network_code("barebones", spec, (3, 32, 32), 10)

The text is made for reading: it names every layer with its numbers and says what shape comes out.
It is whole Python, too: run, it gives the scores, the gradient and the step of this program.

lines.py         a line with its shape, and what several levels write alike
barebones.py     bare tensors
module.py        `nn.Module`
sequential.py    `nn.Sequential`
names.py         what weights are called at each level
step.py          one step of the solver, at each level
writing.py       the whole file
kernel_names.py  the same network's layers among our own kernels
"""

from __future__ import annotations

from app.core.network_code.kernel_names import kernel_names
from app.core.network_code.names import weight_names, written_rows
from app.core.network_code.writing import LEVELS, TITLES, CodeLevel, network_code

__all__ = [
    "LEVELS",
    "TITLES",
    "CodeLevel",
    "kernel_names",
    "network_code",
    "weight_names",
    "written_rows",
]
