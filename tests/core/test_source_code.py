"""The code that is shown is the code that runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from app.core import kernels, source_code
from app.core.source_code import compiled_code, twin_code, why_not_compiled

ROOT = Path(__file__).parents[2]


def lines_of(path: str) -> list[str]:
    return (ROOT / path).read_text(encoding="utf-8").split("\n")


@pytest.mark.parametrize("name", kernels.LAYERS)
def test_every_layer_has_a_twin_to_read_with_its_true_line_numbers(name: str) -> None:
    (excerpt,) = twin_code(name)
    assert f"def {name}(" in excerpt.text
    there = lines_of(excerpt.path)
    for line in excerpt.lines:
        assert line.number == 0 or there[line.number - 1] == line.text
    brief = excerpt.brief()
    assert len(brief.lines) <= len(excerpt.lines)
    tree = ast.parse(brief.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert "\n" not in (ast.get_docstring(node) or "")


def test_a_brief_twin_computes_the_same() -> None:
    (whole,) = twin_code("conv_forward")

    def body(text: str) -> list[str]:
        function = ast.parse(text).body[0]
        assert isinstance(function, ast.FunctionDef)
        return [ast.dump(statement) for statement in function.body[1:]]

    assert body(whole.text) == body(whole.brief().text)


def test_private_helpers_come_along() -> None:
    (excerpt,) = twin_code("spatial_batchnorm_backward")
    assert "def _pixels_as_rows(" in excerpt.text


@pytest.mark.skipif(not kernels.COMPILED, reason="no compiled kernels")
@pytest.mark.parametrize("name", [*kernels.LAYERS, "train_steps"])
def test_compiled_code_is_shown_or_it_is_said_why_not(name: str) -> None:
    excerpts = compiled_code(name)
    assert bool(excerpts) != bool(why_not_compiled(name))
    for excerpt in excerpts:
        there = lines_of(excerpt.path)
        for line in excerpt.lines:
            assert line.number == 0 or there[line.number - 1] == line.text


@pytest.mark.skipif(not kernels.COMPILED, reason="no compiled kernels")
def test_a_compiled_function_comes_with_its_cython() -> None:
    languages = [excerpt.language for excerpt in compiled_code("train_steps")]
    assert languages[:2] == ["python", "cython"]
    assert "def train_steps(" in compiled_code("train_steps")[1].text


def test_without_a_compiler_the_reason_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_code.kernels, "COMPILED", False)
    monkeypatch.setattr(source_code.kernels, "REASON", "no compiler was there")
    compiled_code.cache_clear()
    assert compiled_code("conv_forward") == ()
    assert "no compiler was there" in why_not_compiled("conv_forward")
    compiled_code.cache_clear()
