"""The code that is shown of a network, run: its scores, gradient and steps are this program's."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.data.untrusted.weights import read_weights
from app.core.data.weights_file import WeightsFile
from app.core.errors import ShapeError
from app.core.network_code import LEVELS, network_code
from app.core.nn.network import Network
from app.core.nn.plan import plan
from app.core.presets import CNN_PRESETS
from app.core.solvers.first_order import MEMORY, update
from app.core.specs import ConvNetSpec
from app.core.specs.layers import Residual
from app.core.torch_exports import state_dict_bytes
from app.core.weights_import import put_weights

SHAPE, CLASSES = (3, 16, 16), 5
# Every row that draws nothing at random.
ROWS = (
    "conv 4 3x5 stride 2 pad 1, leaky_relu 0.1, batchnorm, pool 2 stride 1, "
    "residual(conv 6 3x3, elu, groupnorm 2, conv 6 3x3 stride 2), relu, "
    "residual(conv 6 3x3, relu, residual(conv 6 3x3), conv 6 3x3), avg_pool 2 stride 1, layernorm, "
    "affine 8, relu, layernorm"
)
RNG = np.random.default_rng(1)
X, Y = RNG.standard_normal((6, *SHAPE)), RNG.integers(0, CLASSES, 6)


def spec(**values: Any) -> ConvNetSpec:
    settings = {"layers": ROWS, "precision": "float64", "initialisation": "he", "reg": 0.05}
    return ConvNetSpec(**{**settings, **values})


def network_of(settings: ConvNetSpec) -> Network:
    network = Network(settings.rows, SHAPE, CLASSES, dtype="float64")
    network.initialise(np.random.default_rng(2), how="he", weight_scale=0.1)
    return network


def names_of(network: Network) -> list[str]:
    """Return names in the order in which the code's modules have their parameters."""

    def walk(rows: Any) -> Any:
        for row in rows:
            yield from row.names
            yield from walk(row.inside)

    return list(walk(plan(network.description)))


def run(level: str, settings: ConvNetSpec, network: Network) -> dict[str, Any]:
    """Run the code; its weights are the network's own, in memory of their own."""
    torch = pytest.importorskip("torch")
    there: dict[str, Any] = {}
    code = network_code(level, settings, SHAPE, CLASSES)  # type: ignore[arg-type]
    exec(compile(code, level, "exec"), there)
    tensors = {name: torch.tensor(array) for name, array in network.parameters.items()}
    if level == "barebones":
        there["w"] = tensors
        return there
    model = there["model"].double()
    parameters = list(model.parameters())
    assert len(parameters) == len(tensors)
    with torch.no_grad():
        for parameter, name in zip(parameters, names_of(network), strict=True):
            array = tensors[name]
            # nn.Linear has the transpose of W.
            parameter.copy_(array.t() if array.ndim == 2 else array)
    return there


def weights_after(level: str, there: dict[str, Any], network: Network) -> dict[str, Any]:
    if level == "barebones":
        return {name: one.detach().numpy() for name, one in there["w"].items()}
    found = [one.detach().numpy() for one in there["model"].parameters()]
    return {
        name: one.T if one.ndim == 2 else one
        for name, one in zip(names_of(network), found, strict=True)
    }


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("solver", ["sgd", "momentum", "nesterov", "adam", "rmsprop", "adagrad"])
def test_steps_are_those_of_the_readable_formulas(level: str, solver: str) -> None:
    torch = pytest.importorskip("torch")
    settings = spec(solver=solver, learning_rate=0.01, momentum=0.8, label_smoothing=0.1)
    network = network_of(settings)
    there = run(level, settings, network)
    memory = np.zeros((MEMORY[solver], network.theta.size))
    kept: list[Any] = []
    if level == "barebones":
        kept = [
            {name: torch.zeros_like(one) for name, one in there["w"].items()}
            for _ in range(MEMORY[solver])
        ]
    for number in (1, 2, 3):
        outcome = network.loss(X, Y, reg=0.05, kind="softmax", smoothing=0.1)
        update(solver, network.theta, outcome.gradient, memory, number, 0.01, 0.8)
        given = [torch.from_numpy(X), torch.from_numpy(Y)]
        if level == "barebones":
            given += [there["w"], *kept, *([number] if solver == "adam" else [])]
        assert there["step"](*given) == pytest.approx(outcome.terms.sum(), rel=1e-9)
    for name, array in weights_after(level, there, network).items():
        assert float(np.abs(array - network.parameters[name]).max()) < 1e-8, name


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("preset", CNN_PRESETS)
def test_the_code_of_every_preset_runs_and_says_the_shapes(level: str, preset: str) -> None:
    torch = pytest.importorskip("torch")
    settings = CNN_PRESETS[preset].spec
    code = network_code(level, settings, (3, 32, 32), 10)  # type: ignore[arg-type]
    assert "  # 10" in code
    there: dict[str, Any] = {}
    exec(compile(code, level, "exec"), there)
    x = torch.zeros(2, 3, 32, 32)
    if level != "barebones":
        assert tuple(there["model"](x).shape) == (2, 10)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "layers", [ROWS, "conv 4, batchnorm, relu, global_avg_pool", "affine 8, relu"]
)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_an_exported_state_dict_comes_in_by_the_lines_that_the_code_ends_with(
    level: Any, layers: str, dropout: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    settings = spec(layers=layers, level=level, dropout=dropout, solver="sgd")
    network = network_of(settings)
    network.running[...] = np.random.default_rng(4).uniform(0.5, 1.5, network.running.shape)
    monkeypatch.chdir(tmp_path)
    Path("weights.pt").write_bytes(state_dict_bytes(network, settings))
    code = network_code(level, settings, SHAPE, CLASSES)
    there: dict[str, Any] = {}
    exec(compile(code, level, "exec"), there)
    before, after = code.split("The state_dict of a run at this level:\n")
    exec("".join(f"{line[2:]}\n" for line in after.splitlines() if line.startswith("# ")), there)
    assert "torch.load" not in before
    x, y = torch.from_numpy(X.astype(np.float32)), torch.from_numpy(Y)
    if level != "barebones":
        model = there["model"].eval()
        with torch.no_grad():
            np.testing.assert_allclose(model(x).numpy(), network.scores(X), atol=1e-4)
        return
    loss = there["step"](x, y, there["w"])
    if not dropout:
        outcome = network.loss(X, Y, reg=0.05, kind="softmax", smoothing=0.0)
        assert loss == pytest.approx(outcome.terms.sum(), rel=1e-4)


@pytest.mark.parametrize("level", LEVELS)
def test_what_the_code_calls_its_weights_comes_back_by_those_names(level: Any) -> None:
    torch = pytest.importorskip("torch")
    for dropout in (0.0, 0.3):
        settings = spec(level=level, dropout=dropout)
        old, new = network_of(settings), network_of(settings)
        new.theta[...] = 0
        old.running[...] = np.random.default_rng(4).uniform(0.5, 1.5, old.running.shape)
        data = state_dict_bytes(old, settings)
        arrays = dict(read_weights(io.BytesIO(data), len(data), torch))
        put_weights(new, WeightsFile("weights.pt", "0" * 64, arrays))
        np.testing.assert_allclose(new.scores(X), old.scores(X), rtol=1e-4, atol=1e-5)


def test_a_support_vector_loss_and_dropout_are_written_too() -> None:
    torch = pytest.importorskip("torch")
    settings = spec(layers="affine 8, relu", loss="svm", solver="sgd", reg=0.0, dropout=0.25)
    network = network_of(settings.changed(dropout=0.0))
    codes = [network_code(level, settings, SHAPE, CLASSES) for level in LEVELS]
    assert ["0.25" in code for code in codes] == [True] * 3
    there = run("module", settings, network)
    there["model"].eval()
    said = there["step"](torch.from_numpy(X), torch.from_numpy(Y))
    loss, _ = network.data_loss(network.scores(X), Y, "svm", 0.0)
    assert said == pytest.approx(loss, rel=1e-9)


def test_lbfgs_has_no_step_of_its_own_and_says_so() -> None:
    code = network_code("module", spec(solver="lbfgs"), SHAPE, CLASSES)
    assert "def step" not in code
    assert "L-BFGS looks at all images" in code


def test_it_is_written_without_torch_and_an_impossible_row_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert any(isinstance(row, Residual) for row in spec().rows)
    assert "class Residual" in network_code("sequential", spec(), SHAPE, CLASSES)
    with pytest.raises(ShapeError, match="Row 1"):
        network_code("module", spec(layers="conv 4 40x40 pad 0"), SHAPE, CLASSES)
