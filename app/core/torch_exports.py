"""A trained network as files that other programs open: torch's state_dict, ONNX.

A state_dict has the names of the code that `app.core.network_code` writes for the run's level.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.devices import load_torch
from app.core.errors import FilterscopeError, UsageError
from app.core.network_code import weight_names
from app.core.nn.network import Network
from app.core.specs import ConvNetSpec

__all__ = ["onnx_bytes", "state_dict_bytes", "tensors_bytes"]

# How far onnxruntime's scores may lie from ours, for scores of size 1.
AGREE = 1e-4

Array = NDArray[Any]


def state_dict_bytes(network: Network, spec: ConvNetSpec) -> bytes:
    """Return what `torch.load(..., weights_only=True)` reads: the state_dict of the network's code.

    That is the code at the level of the spec. But for bare tensors, weights of affine layers are
    torch's way round, (M, D).

    Raises
    ------
    FilterscopeError
        There is no torch.
    """
    names = weight_names(spec.level, network.description, spec.dropout)
    arrays, weights = {}, network.weights()
    for name, there in names.items():
        turned = spec.level != "barebones" and weights[name].ndim == 2
        arrays[there] = np.asarray(weights[name].T if turned else weights[name], np.float32)
    return tensors_bytes(arrays)


def tensors_bytes(arrays: Mapping[str, Array]) -> bytes:
    """Return arrays that have torch's own names already as a state_dict."""
    torch = load_torch()
    out = io.BytesIO()
    # Copies: a view would be written with all the numbers that it is a view of.
    torch.save({name: torch.tensor(array) for name, array in arrays.items()}, out)
    return out.getvalue()


def onnx_bytes(
    network: Network, shift: Array, factor: Array, metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return an ONNX model: pixels ``images`` (N, C, H, W), 0 … 255 -> ``scores`` (N, classes).

    The normalisation (x − shift) · factor is part of it. onnxruntime computes some scores with
    it before it is handed out. Each score is of one look at an image, also where the run's own
    answers are means over an image and its mirror image.

    Parameters
    ----------
    shift, factor : ndarray, shape (C, H, W) or (C, 1, 1)
        See `FittedImages`.
    metadata : mapping, optional
        Names and texts that the file carries.

    Raises
    ------
    FilterscopeError
        A package is missing, or onnxruntime's scores are others than ours.
    """
    torch = load_torch()
    for name in ("onnx", "onnxscript", "onnxruntime"):
        _need(name)
    from app.core.torch_models.blocks import Normalise

    model = torch.nn.Sequential(Normalise(shift, factor), *_sequential(network)).eval()
    sample = np.random.default_rng(0).uniform(0, 255, (3, *network.input_shape))
    images = sample.astype(np.float32)
    program = torch.onnx.export(
        model,
        (torch.from_numpy(images),),
        dynamo=True,
        verbose=False,
        input_names=["images"],
        output_names=["scores"],
        dynamic_shapes=[{0: torch.export.Dim("count")}],
    )
    assert program is not None
    proto = program.model_proto
    proto.producer_name = "Filterscope"
    for key, value in (metadata or {}).items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    data: bytes = proto.SerializeToString()
    seen = (sample - shift) * factor
    _agree(data, images, network.scores(seen.astype(network.dtype)))
    return data


def _need(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"{name} is not installed ({error}).", 'Say: pip install "filterscope[export,torch]"'
        ) from None


def _agree(data: bytes, images: Array, scores: Array) -> None:
    """Let onnxruntime name some images, and compare."""
    session = _need("onnxruntime").InferenceSession(data, providers=["CPUExecutionProvider"])
    for count in (1, len(images)):
        (found,) = session.run(None, {"images": images[:count]})
        apart = float(np.abs(found - scores[:count]).max())
        if not apart <= AGREE * max(1.0, float(np.abs(scores).max())):
            raise FilterscopeError(
                f"onnxruntime gives scores that are {apart:.2g} from ours: nothing was written.",
                "Another version of torch or onnxruntime may agree.",
            )


def _sequential(network: Network) -> Any:
    """Return the network as an `nn.Sequential` in float32, with weights of its own."""
    torch = load_torch()
    from app.core.torch_models.model import Model

    theta, running = (
        torch.from_numpy(np.asarray(one, np.float32).copy())
        for one in (network.theta, network.running)
    )
    return Model(network, "sequential", theta, running).forward
