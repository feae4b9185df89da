"""Files for other programs say what the network says."""

from __future__ import annotations

import io

import numpy as np
import pytest

from app.core import torch_exports
from app.core.errors import FilterscopeError, UsageError
from app.core.nn.network import Network
from app.core.specs import ConvNetSpec
from app.core.specs.layer_list import parse_layers
from app.core.torch_exports import onnx_bytes, state_dict_bytes

torch = pytest.importorskip("torch")

TEXT = (
    "conv 4 3x3, batchnorm, relu, residual(conv 6 stride 2, groupnorm 2, relu, conv 6), "
    "leaky_relu, pool 2, affine 7, batchnorm, elu, dropout keep 0.5"
)


def made(text: str = TEXT) -> Network:
    network = Network(parse_layers(text), (3, 8, 8), 3)
    rng = np.random.default_rng(0)
    network.initialise(rng, how="he")
    for name, array in network.weights().items():
        if not name.startswith("W"):
            array += rng.uniform(0.1, 0.4, array.shape)
    return network


def test_torch_reads_the_weights_without_running_anything() -> None:
    network = made()
    data = state_dict_bytes(network, ConvNetSpec(layers=TEXT))
    found = torch.load(io.BytesIO(data), weights_only=True)
    sizes = [one.numel() for one in found.values()]
    assert sum(sizes) == network.theta.size + network.running.size
    # Nothing is written twice.
    assert len(data) < 4 * sum(sizes) + 8_000
    np.testing.assert_array_equal(found["0.weight"], network.parameters["W1"])
    np.testing.assert_array_equal(found["1.running_var"], network.averages["running_var1"])
    np.testing.assert_array_equal(found["3.shortcut.weight"], network.parameters["W4"])


def test_torchs_own_modules_give_the_same_scores() -> None:
    """A list of layers, written down by hand, takes the weights by their names."""
    nn = torch.nn
    text = "conv 4 3x3, batchnorm, relu, pool 2, affine 6, relu"
    network = made(text)
    own = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 3),
    ).eval()  # fmt: skip
    data = state_dict_bytes(network, ConvNetSpec(layers=text))
    own.load_state_dict(torch.load(io.BytesIO(data), weights_only=True))
    x = np.random.default_rng(1).normal(size=(5, 3, 8, 8)).astype(np.float32)
    with torch.no_grad():
        scores = own(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(scores, network.scores(x), atol=1e-5)


def test_onnxruntime_gives_the_same_scores_of_pixels() -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    network = made()
    rng = np.random.default_rng(2)
    shift, factor = rng.uniform(100, 140, (3, 8, 8)), rng.uniform(0.01, 0.02, (3, 1, 1))
    data = onnx_bytes(network, shift, factor, {"layers": TEXT})
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["layers"] == TEXT
    for count in (1, 7):
        pixels = rng.integers(0, 256, (count, 3, 8, 8)).astype(np.float32)
        (found,) = session.run(["scores"], {"images": pixels})
        own = network.scores(((pixels - shift) * factor).astype(np.float32))
        assert np.abs(found - own).max() < 1e-4


def test_a_file_that_says_something_else_is_not_handed_out() -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    network = made("affine 4, relu")
    data = onnx_bytes(network, np.zeros((3, 1, 1)), np.full((3, 1, 1), 1 / 255))
    images = np.full((2, 3, 8, 8), 99, np.float32)
    scores = network.scores(images / np.float32(255))
    torch_exports._agree(data, images, scores)
    with pytest.raises(FilterscopeError, match="nothing was written"):
        torch_exports._agree(data, images, scores + np.float32(0.01))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(torch_exports.importlib, "import_module", missing)
    with pytest.raises(UsageError, match="onnx is not installed") as caught:
        onnx_bytes(made("affine 4, relu"), np.zeros((3, 1, 1)), np.ones((3, 1, 1)))
    assert "filterscope[export" in caught.value.hint
