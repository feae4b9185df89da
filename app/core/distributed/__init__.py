"""One training shared among several processes, on one host or on several.

`torchrun` starts the processes and says in the environment who each is (`Place`). They meet in a
store of keys, agree on a device, and add their gradients (`Group`); each tells the others every
second that it lives (`Watch`).

Each step's batch is the one that a single process would have, cut into as many shares. Gradients
are added by one explicit all-reduce, not by torch's DistributedDataParallel: that wraps a Module,
which the network of bare tensors has not, and it averages over processes, which is wrong where
the last batch divides unevenly. Here every share is weighted with its images, batch normalisation
measures the whole batch, and masks, flips and crops are the rows that the single process would
have drawn; so the curve is that of one process, within rounding.
"""

from __future__ import annotations

from app.core.distributed.group import Group
from app.core.distributed.place import Place

__all__ = ["Group", "Place"]
