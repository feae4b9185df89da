#!/usr/bin/env python3
"""Measure how hard the synthetic images are: a linear classifier against the three-layer ConvNet.

    python tools/measure_synthetic.py [--epochs 10] [--seeds 3]

Prints the accuracy on the test images. The network is that of CS231n (32 7×7 filters, ReLU, 2×2
pool, 500 hidden units, Adam 1e-3, weights N(0, 1e-3), L2 1e-3), trained by torch; the linear
classifier is softmax on the same pixels minus the mean image, with the best of several L2 weights.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.core.data.image_preprocess import FittedImages, fit_images
from app.core.data.synthetic import synthetic_images
from app.core.specs import ImageSpec


def tensors(data: FittedImages, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(data.rows(rows)), torch.from_numpy(data.labels(rows))


def accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    with torch.no_grad():
        hits = [
            (model(a).argmax(1) == b).float()
            for a, b in zip(x.split(500), y.split(500), strict=True)
        ]
    return float(torch.cat(hits).mean())


def trained(model: nn.Module, data: FittedImages, epochs: int, l2: float, rate: float) -> nn.Module:
    x, y = tensors(data, data.split.train)
    solver = torch.optim.Adam(model.parameters(), lr=rate, weight_decay=l2)
    for epoch in range(epochs):
        for rows in torch.randperm(len(x)).split(50):
            solver.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            solver.step()
        vx, vy = tensors(data, data.split.validation)
        print(f"    epoch {epoch + 1}: validation {accuracy(model, vx, vy):.3f}", file=sys.stderr)
    return model


def convnet(classes: int) -> nn.Module:
    model = nn.Sequential(
        nn.Conv2d(3, 32, 7, padding=3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(32 * 16 * 16, 500), nn.ReLU(), nn.Linear(500, classes),
    )  # fmt: skip
    for layer in model:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=1e-3)
            nn.init.zeros_(layer.bias)
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    images = synthetic_images()
    data = fit_images(images, ImageSpec())
    x, y = tensors(data, data.split.test)
    print(data.split.sentence)
    linear, deep = [], []
    for seed in range(options.seeds):
        torch.manual_seed(seed)
        flat = (nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)) for _ in range(3))
        tried = [
            accuracy(trained(model, data, options.epochs, l2, 1e-4), x, y)
            for model, l2 in zip(flat, (0.0, 1e-2, 1.0), strict=True)
        ]
        linear.append(max(tried))
        deep.append(accuracy(trained(convnet(10), data, options.epochs, 1e-3, 1e-3), x, y))
        print(f"seed {seed}: linear {linear[-1]:.3f}, ConvNet {deep[-1]:.3f}")
    print(f"median: linear {np.median(linear):.3f}, ConvNet {np.median(deep):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
