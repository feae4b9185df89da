"""A network of your own for Filterscope.

    filterscope train cnn --model docs/own_model.py --trust-code

or, in the window's CNN lab, Train > Your own model…

The file needs one class that derives from torch.nn.Module, or a function called build or model
that returns one. It is told what it asks for by name: num_classes, image_shape (channels, height,
width), in_channels. `forward` is given images (N, C, H, W), normalised as the Images page says,
and returns a score for each class, (N, num_classes). Loss, solver, learning rate, L2 and batches
are the program's; the first weights, dropout and everything in between are yours.
"""

import torch
from torch import nn


class TwoBranches(nn.Module):
    """Fine and coarse filters side by side, which no list of layers can say."""

    def __init__(self, num_classes, in_channels=3, width=16):
        super().__init__()
        self.fine = nn.Conv2d(in_channels, width, 3, padding=1)
        self.coarse = nn.Conv2d(in_channels, width, 7, padding=3)
        self.norm = nn.BatchNorm2d(2 * width)
        self.deep = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        self.scores = nn.Linear(4 * width, num_classes)

    def forward(self, x):
        """Return scores (N, num_classes) of images (N, C, H, W)."""
        x = torch.cat([self.fine(x), self.coarse(x)], dim=1)
        x = nn.functional.max_pool2d(torch.relu(self.norm(x)), 2)
        x = torch.relu(self.deep(x))
        return self.scores(x.mean(dim=(2, 3)))
