"""The code of a layer as text to read: its readable twin, and what runs when it is compiled.

The text comes from the files that run, so that what a person reads is what was checked.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Literal

from app.core import kernels
from app.core.kernels import reference

__all__ = [
    "Excerpt",
    "Language",
    "Line",
    "code_of",
    "compiled_code",
    "twin_code",
    "why_not_compiled",
]

Language = Literal["python", "cython", "c"]

FOLDER = Path(kernels.__file__).parent
ROOT = FOLDER.parents[2]
# A compiled layer can call its way through a whole header; what is shown stays readable.
MOST_LINES = 600


@dataclass(frozen=True)
class Line:
    """One line of a file and its number there, from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class Excerpt:
    """Some lines of one file.

    Attributes
    ----------
    path : str
        Below the project's folder, with forward slashes.
    language : {"python", "cython", "c"}
    lines : tuple of Line
        In order; numbers jump where something is left out.
    """

    path: str
    language: Language
    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(line.text for line in self.lines)

    def brief(self) -> Excerpt:
        """Leave out all of each docstring but its first line, and what is empty after it."""
        if self.language != "python":
            return self
        dropped: set[int] = set()
        for node in ast.walk(ast.parse(textwrap.dedent(self.text))):
            if not isinstance(node, ast.FunctionDef) or ast.get_docstring(node) is None:
                continue
            doc = node.body[0]
            assert doc.end_lineno is not None
            dropped |= set(range(doc.lineno + 1, doc.end_lineno + 1))
        kept = []
        for place, line in enumerate(self.lines, 1):
            if place in dropped:
                continue
            text = line.text
            if place + 1 in dropped:
                text += '"""'
            kept.append(Line(line.number, text))
        return Excerpt(self.path, self.language, tuple(kept))


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def _functions(*functions: FunctionType) -> Excerpt:
    """Return Python functions of one file, and the private ones there that they use."""
    first_of_all = functions[0]
    path, module = Path(inspect.getfile(first_of_all)), inspect.getmodule(first_of_all)
    found = {function.__name__: function for function in functions}
    waiting = list(functions)
    while waiting:
        for name in waiting.pop(0).__code__.co_names:
            helper = getattr(module, name, None)
            if name in found or not isinstance(helper, FunctionType) or not name.startswith("_"):
                continue
            if inspect.getmodule(helper) is module:
                found[name] = helper
                waiting.append(helper)
    lines: list[Line] = []
    for one in found.values():
        source, first = inspect.getsourcelines(one)
        if lines:
            lines.append(Line(0, ""))
        lines += [Line(first + place, text.rstrip("\n")) for place, text in enumerate(source)]
    return Excerpt(_relative(path), "python", tuple(lines))


def twin_code(*names: str) -> tuple[Excerpt, ...]:
    """Return the readable twins of layer functions such as ``conv_forward``, file by file."""
    files: dict[str, list[FunctionType]] = {}
    for name in names:
        function = getattr(reference, name)
        files.setdefault(inspect.getfile(function), []).append(function)
    return tuple(_functions(*functions) for functions in files.values())


def code_of(dotted: str) -> tuple[Excerpt, ...]:
    """Return a function, a method or a class by its dotted name.

    Such as ``app.core.nn.network.Network.loss``. What is written for torch is read and not imported:
    torch may be missing here.
    """
    parts = dotted.split(".")
    if dotted.startswith("app.core.torch_models."):
        return (_definition(ROOT.joinpath(*parts[:-1]).with_suffix(".py"), parts[-1]),)
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return (_functions(found),)
    raise LookupError(dotted)


def _definition(path: Path, name: str) -> Excerpt:
    """Return a class or a function of a file, with the functions of that file after it."""
    text = path.read_text(encoding="utf-8")
    nodes = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and (node.name == name or node.name.startswith("_"))
    ]
    texts = text.splitlines()
    lines: list[Line] = []
    for node in nodes:
        first, last = node.lineno, node.end_lineno or node.lineno
        lines += [Line(0, "")] if lines else []
        lines += [Line(number, texts[number - 1]) for number in range(first, last + 1)]
    return Excerpt(_relative(path), "python", tuple(lines))


def why_not_compiled(name: str) -> str:
    """Return why `name` has no compiled code to show; empty when it has some."""
    if not kernels.COMPILED:
        return f"There are no compiled kernels: {kernels.REASON}. The twin is what runs."
    if getattr(kernels.choose("compiled"), name) is getattr(reference, name):
        return "The twin is what runs: NumPy does this as fast in one piece."
    return ""


@lru_cache(maxsize=32)
def compiled_code(name: str) -> tuple[Excerpt, ...]:
    """Return what runs for the compiled `name`: Python that checks, Cython that shares, C that loops.

    Empty when there is none; `why_not_compiled` says why.
    """
    if why_not_compiled(name):
        return ()
    function = getattr(kernels.choose("compiled"), name)
    module = inspect.getmodule(function)
    wrapper = _functions(function)
    excerpts = [wrapper]
    called = _calls(wrapper.text)
    cython, c = [], []
    for part in _extensions(module):
        found = _reached(_cython_functions(part.with_suffix(".pyx")), called)
        cython.append((part.with_suffix(".pyx"), found))
        text = "\n".join(_text(lines) for lines in found.values())
        called |= _calls(text) | _chosen(part.with_suffix(".pyx"), text)
    for header in sorted(FOLDER.glob("*.h")):
        found = _reached(_c_functions(header), called)
        if found:
            c.append((header, found))
    room = MOST_LINES - len(wrapper.lines)
    for language, parts in (("cython", cython), ("c", c)):
        for path, found in parts:
            lines: list[Line] = []
            for block in found.values():
                if len(block) > room:
                    continue
                room -= len(block)
                lines += ([Line(0, "")] if lines else []) + list(block)
            if lines:
                excerpts.append(Excerpt(_relative(path), language, tuple(lines)))  # type: ignore[arg-type]
    return tuple(excerpts)


def _text(lines: tuple[Line, ...]) -> str:
    return "\n".join(line.text for line in lines)


def _calls(text: str) -> set[str]:
    """Return the names that are called; a kernel's ``_f32`` and ``NAME()`` are its types."""
    words = re.findall(r"\bNAME\((\w+)\)|\b(\w+)\s*\(", text)
    plain = {re.sub(r"_(f32|f64)$", "", word) for pair in words for word in pair if word}
    # What a macro makes for several numbers is one thing to read.
    return {re.sub(r"_\d+$", "_", word) for word in plain}


def _chosen(path: Path, text: str) -> set[str]:
    """Return the loops that `text` chooses: by name, or by a constant that the file tests for."""
    named = set(re.findall(r"\bloop = (\w+)", text))
    branches = re.findall(r"==\s*([A-Z][A-Z_]+):\n\s+(\w+)\(", path.read_text(encoding="utf-8"))
    return named | {
        function for constant, function in branches if re.search(rf"\b{constant}\b", text)
    }


def _extensions(module: ModuleType | None) -> Iterator[Path]:
    """Yield the files (without their ending) of the extensions that a module uses."""
    for value in vars(module).values() if module is not None else ():
        name = getattr(value, "__name__", "")
        if isinstance(value, ModuleType) and name.startswith("app.core.kernels._"):
            part = FOLDER / name.rpartition(".")[2]
            if part.with_suffix(".pyx").is_file():
                yield part


def _reached(
    functions: dict[str, tuple[Line, ...]], called: set[str]
) -> dict[str, tuple[Line, ...]]:
    """Return those of `functions` that are called, by each other too, in their file's order."""
    wanted: set[str] = set()
    waiting = called & functions.keys()
    while waiting:
        wanted |= waiting
        further = {word for name in waiting for word in _calls(_text(functions[name]))}
        waiting = (further & functions.keys()) - wanted
    return {name: lines for name, lines in functions.items() if name in wanted}


def _cython_functions(path: Path) -> dict[str, tuple[Line, ...]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    found: dict[str, tuple[Line, ...]] = {}
    start, name = 0, ""
    for place, line in enumerate([*lines, "end"]):
        if not line or line[0] in " \t)#":
            continue
        if name:
            found[name] = _block(lines, start, place)
        match = re.match(r"(?:cdef|cpdef|def)\b[^(=]*?(\w+)\(", line)
        start, name = place, match[1] if match else ""
    return found


def _c_functions(path: Path) -> dict[str, tuple[Line, ...]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    found: dict[str, tuple[Line, ...]] = {}
    for place, line in enumerate(lines):
        if line.startswith("#define ") and line.endswith("\\"):
            end = next(row for row in range(place, len(lines)) if not lines[row].endswith("\\"))
            match = re.search(r"NAME\((\w+_)##(\w+)", "\n".join(lines[place : end + 1]))
        else:
            match = re.match(r"(?!#)\w[\w\s*]*?(?:\bNAME\((\w+)\)|\b(\w+))\s*\(", line)
            end = next(
                (row for row in range(place, len(lines)) if lines[row].startswith("}")), place
            )
        if match is None or lines[end if line.endswith("\\") else place].rstrip().endswith(";"):
            continue
        # The comment above says what it does.
        start = place
        if start and lines[start - 1].rstrip().endswith("*/"):
            start -= 1
            while start and "/*" not in lines[start]:
                start -= 1
        found[match[1] or match[2]] = _block(lines, start, end + 1)
    return found


def _block(lines: list[str], start: int, end: int) -> tuple[Line, ...]:
    while end > start and not lines[end - 1].strip():
        end -= 1
    return tuple(Line(place + 1, lines[place]) for place in range(start, end))
