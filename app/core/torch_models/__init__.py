"""One network written for PyTorch at three levels, to be read side by side.

`barebones` has tensors and functions only, `module` a class with a forward method, `sequential`
a list of modules. All are made from the same list of layers and use the same arrays of weights;
the gradient is autograd's. These files import torch, so they are imported inside functions only.
"""
