"""The rules of ARCHITECTURE.md that a reader of a change could miss."""

from __future__ import annotations

import ast
import functools
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core import kernels, specs
from app.core.params import Hyper, Parameter, Spec, describe

ROOT = Path(__file__).parent.parent
APP = ROOT / "app"
MODULES = sorted(path.relative_to(ROOT) for path in APP.rglob("*.py"))
CORE = [path for path in MODULES if path.is_relative_to("app/core")]
WORKERS = [path for path in MODULES if path.is_relative_to("app/workers")]
WINDOW = [path for path in MODULES if path.is_relative_to("app/ui")]
START = [path for path in MODULES if path.parent in (Path("app"), Path("app/cli"))]
# The one place that opens what a stranger may have written; it runs in a process of its own.
UNTRUSTED = Path("app/core/data/untrusted")


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def imports(path: Path, *, at_import: bool = False) -> Iterator[str]:
    """Yield the modules that a file imports, all of them or those met when it is imported."""
    waiting: list[ast.AST] = [tree(path)]
    while waiting:
        node = waiting.pop()
        if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_import and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting.extend(ast.iter_child_nodes(node))


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def named(paths: list[Path]) -> pytest.MarkDecorator:
    assert paths
    return pytest.mark.parametrize("path", paths, ids=str)


@named(CORE)
def test_core_knows_no_qt_no_worker_and_no_window(path: Path) -> None:
    forbidden = ("PyQt6", "pyqtgraph", "app.ui", "app.workers", "app.launch", "app.cli")
    assert [name for name in imports(path) if within(name, *forbidden)] == []


# Networks written for torch are read with its names at their head; nobody imports them but inside
# of a function.
FOR_TORCH = Path("app/core/torch_models")


@named(CORE)
def test_core_imports_torch_and_scipy_only_when_asked_for(path: Path) -> None:
    heavy = ["torchvision", "scipy", "skimage"]
    if not path.is_relative_to(FOR_TORCH):
        heavy += ["torch", "app.core.torch_models"]
    assert [name for name in imports(path, at_import=True) if within(name, *heavy)] == []


@named(WORKERS)
def test_workers_know_threads_of_qt_and_no_widget(path: Path) -> None:
    forbidden = ("pyqtgraph", "app.ui", "app.launch", "app.cli")
    assert [name for name in imports(path) if within(name, *forbidden)] == []
    qt = [name for name in imports(path) if within(name, "PyQt6")]
    assert [name for name in qt if not within(name, "PyQt6.QtCore")] == []


@named(WINDOW)
def test_the_window_leaves_files_and_torch_to_others(path: Path) -> None:
    forbidden = ("h5py", "torch", "torchvision", "scipy", "safetensors", "PIL", "app.cli")
    assert [name for name in imports(path) if within(name, *forbidden)] == []


@named(START)
def test_nothing_before_the_window_imports_qt(path: Path) -> None:
    forbidden = ("PyQt6", "pyqtgraph", "torch")
    assert [name for name in imports(path) if within(name, *forbidden)] == []
    assert [name for name in imports(path, at_import=True) if within(name, "app.ui")] == []


# --- what may open and write files


def calls(path: Path) -> Iterator[tuple[int, str, ast.Call]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func), node


NEVER = re.compile(
    r"^(eval|exec|compile|__import__|(c?pickle|marshal|shelve|dill)\..*|.*\.extractall"
    r"|torch\.load|yaml\..*|os\.system|.*\.allow_pickle)$"
)
ONLY_UNTRUSTED = re.compile(
    r"^(h5py\..*|(np|numpy)\.(load|fromfile|loadtxt)|Image\.open|zipfile\..*|tarfile\..*)$"
)


# A state_dict can be read by torch alone: there, and with nothing but tensors allowed.
STATE_DICTS = UNTRUSTED / "weights.py"


@named(MODULES)
def test_files_of_strangers_are_opened_in_one_place(path: Path) -> None:
    said = [(line, name) for line, name, _ in calls(path)]
    allowed = "torch.load" if path == STATE_DICTS else ""
    assert [found for found in said if NEVER.match(found[1]) and found[1] != allowed] == []
    if not path.is_relative_to(UNTRUSTED):
        assert [found for found in said if ONLY_UNTRUSTED.match(found[1])] == []
        assert [
            name for name in imports(path) if within(name, "pickle", "tarfile", "marshal")
        ] == []


def test_one_file_names_pickle_and_only_to_take_its_powers_away() -> None:
    only = UNTRUSTED / "pickles.py"
    inside = [path for path in MODULES if path.is_relative_to(UNTRUSTED)]
    assert [path for path in inside if "pickle" in set(imports(path))] == [only]
    used = {
        node.attr
        for node in ast.walk(tree(only))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle"
    }
    assert used == {"Unpickler", "UnpicklingError"}
    (reader,) = (
        node
        for node in ast.walk(tree(only))
        if isinstance(node, ast.ClassDef) and "pickle.Unpickler" in map(ast.unparse, node.bases)
    )
    own = {node.name for node in reader.body if isinstance(node, ast.FunctionDef)}
    assert {"find_class", "persistent_load"} <= own
    assert "super" not in ast.unparse(reader)


def test_torch_loads_tensors_and_nothing_else() -> None:
    loads = [call for _, name, call in calls(STATE_DICTS) if name == "torch.load"]
    assert loads
    for call in loads:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert given == {"weights_only": "True", "map_location": "'cpu'"}


def test_no_pickle_is_ever_allowed() -> None:
    for path in MODULES:
        for line, _, call in calls(path):
            for keyword in call.keywords:
                if keyword.arg in ("allow_pickle", "weights_only"):
                    safe = keyword.arg == "weights_only"
                    assert ast.unparse(keyword.value) == str(safe), f"{path}:{line}"
                assert not (keyword.arg == "shell" and ast.unparse(keyword.value) != "False"), (
                    f"{path}:{line}"
                )


# Who writes, besides storage.py, and what: nothing a person would call theirs.
MAY_WRITE = {
    Path("app/core/storage.py"): "the seam",
    Path("app/core/data/preprocess.py"): "scratch rows in a temporary folder",
    Path("app/crash.py"): "the crash log, which must work when all else fails",
    Path("app/launch.py"): "the null device, in place of a stream that is not there",
    Path("app/ui/icons.py"): "drawings in a temporary folder, for the style sheet",
}


WRITING_MODE = re.compile(r"(?=.*[wax+])[rwaxbt+]{1,3}")
WRITING_FLAGS = re.compile(r"O_(WRONLY|RDWR|CREAT|APPEND)")
SAVERS = re.compile(
    r".*\.(tofile|savetxt|savez|savez_compressed|save_file|NamedTemporaryFile|mkstemp)"
)
WRITERS = re.compile(r"(.*\.)?(QSaveFile|QFile|QSettings)|shutil\.(rmtree|move|copy\w*)|os\.rename")


def writes(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the calls of a file that write to a disk, as far as their text shows it."""
    nodes = list(ast.walk(tree(path)))
    imported = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    in_memory = {
        ast.unparse(node.targets[0])
        for node in nodes
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == "io.BytesIO()"
    }
    for line, name, call in calls(path):
        receiver, _, last = name.rpartition(".")
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        texts = [str(a.value) for a in given if isinstance(a, ast.Constant)]
        found = bool(WRITERS.fullmatch(name))
        if name == "os.open":
            found = bool(WRITING_FLAGS.search(ast.unparse(call)))
        elif last == "open":
            found = any(WRITING_MODE.fullmatch(text) for text in texts)
        elif last in ("write_bytes", "write_text", "touch"):
            found = bool(receiver) and receiver not in imported
        elif SAVERS.fullmatch(name):
            # Into memory is fine: bytes are made first.
            found = ast.unparse(call.args[0]) not in in_memory
        if found:
            yield line, ast.unparse(call)


@pytest.mark.parametrize(
    "line",
    [
        "open('x', 'w')",
        "open('x', mode='r+b')",
        "Path('x').open('ab')",
        "Path('x').write_bytes(b'')",
        "path.write_text('')",
        "os.open('x', os.O_WRONLY | os.O_CREAT)",
        "np.savez('x', a)",
        "array.tofile('x')",
        "shutil.rmtree('x')",
        "QSettings('x')",
    ],
)
def test_the_scan_sees_a_write(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "tree", lambda path: ast.parse(line))
    assert len(list(writes(Path("x.py")))) == 1


@named([path for path in MODULES if path not in MAY_WRITE])
def test_one_seam_writes_to_the_disk(path: Path) -> None:
    assert list(writes(path)) == []


def test_the_list_of_writers_holds_no_name_too_many() -> None:
    storage = Path("app/core/storage.py")
    assert [str(path) for path in MAY_WRITE if path != storage and not list(writes(path))] == []


# --- what is loaded when


BLOCK = """
import importlib.abc, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"PyQt6", "pyqtgraph", "torch", "torchvision", "scipy", "skimage"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
"""


def python(body: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCK + textwrap.dedent(body), *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_core_and_the_command_line_load_without_qt_and_torch() -> None:
    done = python(
        """
        import importlib, pkgutil
        import app.core
        names = [m.name for m in pkgutil.walk_packages(app.core.__path__, "app.core.")]
        names += ["app.cli", "app.launch", "app.preflight", "app.crash", "app.shortcut"]
        for name in names:
            if not name.startswith(
                ("app.core.kernels._", "app.core.kernels.compiled", "app.core.torch_models.")
            ):
                importlib.import_module(name)
        print(len(names))
        """
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["--version"], ["train", "--help"], ["info", "--help"]]
)
def test_help_needs_neither_a_display_nor_qt(arguments: list[str]) -> None:
    environ = dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"), "")
    done = python(
        "from app.launch import main; sys.exit(main(sys.argv[1:]))", *arguments, **environ
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr == ""


def test_the_window_is_loaded_without_what_it_may_never_need() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, app.ui.application\n"
            "print(*sorted({n.partition('.')[0] for n in sys.modules} & {'torch', 'scipy', 'h5py', 'skimage', 'matplotlib'}))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.split() == []


# --- the compiled kernels


def functions(source: str) -> Iterator[tuple[str, str]]:
    """Yield signature and body of each function of a .pyx file."""
    starts = [m.start() for m in re.finditer(r"(?m)^[ ]*(?:cdef|cpdef|def)\b[^\n]*\(", source)]
    for start, end in zip(starts, [*starts[1:], len(source)], strict=True):
        text = source[start:end]
        depth = 0
        for place, mark in enumerate(text):
            depth += (mark in "([") - (mark in ")]")
            if mark == ":" and depth == 0:
                yield text[:place], text[place:]
                break


@pytest.mark.skipif(shutil.which(os.environ.get("CC", "cc")) is None, reason="needs a C compiler")
def test_where_a_compiler_is_the_kernels_are_compiled() -> None:
    """A compilation that fails is no error of the installation, so that somebody must look."""
    assert kernels.COMPILED, kernels.REASON


PYX = sorted(path.relative_to(ROOT) for path in APP.rglob("*.pyx"))


@named(PYX)
def test_loops_of_kernels_hold_no_lock(path: Path) -> None:
    """A call that keeps the interpreter's lock freezes the window however it is threaded."""
    source = (ROOT / path).read_text(encoding="utf-8")
    for block in re.findall(r"(?m)^cdef extern from.*:", source):
        assert "nogil" in block, block
    assert "with nogil" in source
    for signature, body in functions(source):
        loop = re.search(r"(?m)^\s*(for \w+ in range\(|while )", body)
        if loop is not None:
            free = "noexcept nogil" in signature or "with nogil" in body[: loop.start()]
            assert free, f"{path}: a loop holds the lock in\n{signature}"


@named(sorted(path.relative_to(ROOT) for path in APP.rglob("*.h")))
def test_kernel_headers_know_nothing_of_python(path: Path) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(r"Python\.h|\bPy[A-Z_]\w+", source) is None


# --- every setting is described once, and its description holds


def all_specs() -> list[type[Spec]]:
    return [
        value
        for value in vars(specs).values()
        if isinstance(value, type) and issubclass(value, Spec) and value is not Spec
    ]


SETTINGS = [(spec, parameter) for spec in all_specs() for parameter in describe(spec)]
each_setting = pytest.mark.parametrize(
    ("spec", "parameter"), SETTINGS, ids=[f"{s.__name__}.{p.name}" for s, p in SETTINGS]
)


@pytest.mark.parametrize("spec", all_specs())
def test_every_field_meets_a_person(spec: type[Spec]) -> None:
    assert [parameter.name for parameter in describe(spec)] == list(spec.model_fields)
    for name, field in spec.model_fields.items():
        assert sum(isinstance(item, Hyper) for item in field.metadata) == 1, name


@pytest.mark.parametrize("spec", all_specs())
def test_every_default_is_valid_under_its_own_bounds(spec: type[Spec]) -> None:
    default = spec()
    # pydantic does not check defaults by itself.
    assert spec.build(default.model_dump()) == default


@each_setting
def test_every_setting_teaches(spec: type[Spec], parameter: Parameter) -> None:
    hyper = parameter.hyper
    assert hyper.label
    assert hyper.teaches.endswith(".")
    assert len(hyper.teaches) > 15
    if parameter.kind == "choice":
        assert hyper.choices is not None
        assert tuple(hyper.choices) == parameter.choices
    else:
        assert hyper.choices is None


@each_setting
def test_every_slider_keeps_to_the_hard_bounds(spec: type[Spec], parameter: Parameter) -> None:
    if parameter.hyper.slider is None:
        return
    low, high = parameter.slider
    assert low < high
    assert low > 0 or parameter.hyper.scale == "linear"
    for end in (low, high):
        value = int(end) if parameter.kind == "int" else end
        assert getattr(spec.build({parameter.name: value}), parameter.name) == value
    assert low <= parameter.default <= high
    # A slider that was not touched must not change the value by more than its own resolution.
    back = parameter.from_position(parameter.to_position(parameter.default))
    assert back == pytest.approx(parameter.default, rel=0.01, abs=0.01 * (high - low))
