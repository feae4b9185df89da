"""Networks as a person may write them, good ones and others, as the text of their files."""

from __future__ import annotations

GOOD = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes, image_shape):
        super().__init__()
        channels, height, width = image_shape
        self.conv = nn.Conv2d(channels, 5, 3, padding=1)
        self.norm = nn.BatchNorm2d(5)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(5 * (height // 2) * (width // 2), num_classes)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
        return self.head(self.drop(x.flatten(1)))
"""

# Does as it should for some steps, then something else.
TROUBLE = """
import os, sys, time
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes, in_channels=3):
        super().__init__()
        self.head = nn.Linear(in_channels * 64, num_classes)
        self.steps = 0

    def forward(self, x):
        if self.training:
            self.steps += 1
        if self.steps > 4 and self.training:
            {trouble}
        return self.head(x.flatten(1))
"""


def trouble(what: str) -> str:
    """Return a network to which `what` happens in its fourth step (it was tried once before)."""
    return TROUBLE.format(trouble=what)
