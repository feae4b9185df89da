"""A plain PyTorch script that repeats the run of a convolutional network without this program."""

from app.core.torch_script.writing import torch_script

__all__ = ["torch_script"]
