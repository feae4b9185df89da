"""Settings that are known to give something worth seeing."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.specs import AutoencoderSpec, PreprocessSpec

__all__ = ["PRESETS", "Preset"]


@dataclass(frozen=True)
class Preset:
    """A starting point: settings, the preprocessing they need, and what to look for."""

    title: str
    teaches: str
    spec: AutoencoderSpec
    preprocess: PreprocessSpec


_RGB = PreprocessSpec(grayscale=False)

PRESETS: dict[str, Preset] = {
    "sparse": Preset(
        "Sparse filters, Adam",
        "A small ρ: each unit fires rarely and becomes an edge in one place.",
        AutoencoderSpec(),
        PreprocessSpec(),
    ),
    "lbfgs": Preset(
        "Sparse filters, L-BFGS",
        "Every iteration looks at all patches; the smoothest way down.",
        AutoencoderSpec(solver="lbfgs", epochs=400),
        PreprocessSpec(),
    ),
    "report": Preset(
        "The exercise's report",
        "ρ 0.25 and plain gradient descent: blurry features that still reconstruct.",
        AutoencoderSpec(
            solver="sgd",
            learning_rate=0.01,
            batch_size=128,
            epochs=1000,
            lam=5e-4,
            beta=0.008,
            rho=0.25,
        ),
        PreprocessSpec(),
    ),
    "colour": Preset(
        "Colour patches",
        "All three channels: most units choose edges, a few choose opponent colours.",
        AutoencoderSpec(epochs=200),
        _RGB,
    ),
    "zca": Preset(
        "Whitened colour, linear decoder",
        "Whitening evens out all directions; filters are shown in pixel space.",
        AutoencoderSpec(
            decoder="linear",
            hidden_units=144,
            rho=0.035,
            beta=5.0,
            lam=3e-3,
            learning_rate=0.003,
            epochs=200,
        ),
        PreprocessSpec(grayscale=False, whiten="computed", epsilon=0.1, clip=False, rescale=False),
    ),
}
