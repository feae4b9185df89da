"""The script's beginning: its settings, the modules that torch has in another form, the network."""

__all__ = ["NETWORK"]

NETWORK = '''"""Repeats a run of Filterscope with PyTorch alone; NumPy reads, and draws what is random."""

import math
import os

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

# SETTINGS


# --- the network


class Dropout(nn.Module):
    def __init__(self, keep):
        super().__init__()
        self.keep = keep

    def forward(self, x):
        keep = 1 - dropout if self.keep is None else self.keep
        if not self.training or keep == 1:
            return x
        kept = torch.from_numpy(masks.random(tuple(x.shape)) < keep)
        return x * (kept.to(x.device, x.dtype) / keep)


class Batchnorm(nn.Module):
    """As nn.BatchNorm2d, but its running variance is that of the batch itself, over n."""

    def __init__(self, channels):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)
        # With momentum 1, torch leaves the batch's own figures here.
        mean, var = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        out = F.batch_norm(x, mean, var, self.weight, self.bias, training=True, momentum=1.0)
        count = x.numel() // x.shape[1]
        with torch.no_grad():
            self.running_mean.lerp_(mean, 1 - 0.9)
            self.running_var.lerp_(var * ((count - 1) / count), 1 - 0.9)
        return out


class GlobalAvgPool(nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3), keepdim=True)


class Residual(nn.Module):
    def __init__(self, inside, shortcut):
        super().__init__()
        self.inside, self.shortcut = inside, shortcut

    def forward(self, x):
        return self.inside(x) + self.shortcut(x)


network = nn.Sequential(
    # NETWORK
    nn.Flatten(),
)

'''
