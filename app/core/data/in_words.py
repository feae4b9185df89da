"""What data is, in one line for people: where it is from, how much, and how it was prepared."""

from __future__ import annotations

from pathlib import Path

from app.core.data.image_preprocess import FittedImages
from app.core.data.patches import Patches
from app.core.data.sample import SAMPLE_NAME, sample_path
from app.core.data.synthetic import SYNTHETIC_NAME, SYNTHETIC_TITLE
from app.core.words import grouped

__all__ = ["images_in_words", "patches_in_words", "title_of"]

NORMALISATIONS = {
    "none": "pixels as they are",
    "scale": "0 … 1",
    "mean_image": "mean image removed",
    "per_channel": "channels of mean 0, σ 1",
    "cifar10": "CIFAR-10's mean and σ",
}


def title_of(path: str) -> str:
    """Return what a file of data is called: by its name, unless it came with the program."""
    own = {str(sample_path()): SAMPLE_NAME, SYNTHETIC_NAME: SYNTHETIC_TITLE}
    return own.get(path) or Path(path).name or path


def patches_in_words(patches: Patches) -> str:
    """Return such as ``sample patches ▸ data   10 240 × 1 × 16 × 16   ·   grey, mean removed``."""
    channels, height, width = patches.image_shape
    spec = patches.fitted.spec
    words = [
        "grey" if channels == 1 else "RGB",
        "mean removed" if spec.remove_mean else "",
        f"ZCA ε {spec.epsilon:g}" if spec.whiten != "none" else "",
        f"±{spec.deviations:g}σ" if spec.clip else "",
        "→ 0.1…0.9" if spec.rescale else "",
    ]
    count = grouped(len(patches.x))
    return (
        f"{title_of(patches.source.path)} ▸ {patches.source.dataset.lstrip('/')}"
        f"   {count} × {channels} × {height} × {width}"
        f"   ·   {', '.join(word for word in words if word)}"
    )


def images_in_words(name: str, fitted: FittedImages) -> str:
    """Return such as ``CIFAR-10   9 000 / 1 000 / 2 000   ·   32 × 32 RGB   ·   mean removed``."""
    split, spec = fitted.split, fitted.spec
    channels, height, width = fitted.images.shape
    parts = [len(split.train), len(split.validation), len(split.test)]
    counts = " / ".join(grouped(count) for count in parts)
    varied = [word for word, on in (("mirrored", spec.flip), ("shifted", spec.crop)) if on]
    words = [NORMALISATIONS[spec.normalisation], *varied]
    kind = "RGB" if channels == 3 else "grey"
    return f"{name}   {counts}   ·   {height} × {width} {kind}   ·   {', '.join(words)}"
