"""The same sparse autoencoder computed by PyTorch, on the CPU or a GPU.

First weights, order of rows, solvers and what is kept are those of `AutoencoderLearner`; the cost
is written down once more, and autograd finds its gradient. On the CPU the vectors of weights are
shared with the host's, so nothing is copied; on a GPU the host's copy is renewed when somebody
asks for it, and the rows lie there when they fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.core.devices import load_torch
from app.core.learners.autoencoder import AutoencoderLearner
from app.core.learners.on_device import OnDevice
from app.core.learners.protocol import StepOutcome
from app.core.memory import Need, enough_for
from app.core.models import autoencoder
from app.core.specs import AutoencoderSpec

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TorchAutoencoderLearner"]

# All rows may have this share of a device's memory that is free.
SHARE = 0.25
# Rows of a block in a pass over all of them.
BLOCK = 4096
# What is due between rows is done after so many, as often as the kernels do it.
PIECE = 65_536


class TorchAutoencoderLearner(OnDevice, AutoencoderLearner):
    """A sparse autoencoder on PyTorch.

    Parameters
    ----------
    x : ndarray, shape (N, D), float32
        Rows to train on, in memory or a memory map.
    spec : AutoencoderSpec
        Its `device` says where.
    threads : int, optional
        Of the CPU.
    release : callable, optional
        Lets the pages of a large memory map go.

    Attributes
    ----------
    device, notes
        See `OnDevice`.

    Raises
    ------
    FilterscopeError
        There is no torch, or no room.
    """

    noun = "patches"

    def __init__(
        self,
        x: NDArray[np.float32],
        spec: AutoencoderSpec,
        *,
        threads: int | None = None,
        release: Callable[[], None] | None = None,
    ) -> None:
        load_torch()
        super().__init__(x, spec, threads=threads, release=release)
        self.spec = spec
        self._take_device(spec.device, spec.precision)
        self._check_room(x, spec)
        self._rows: Tensor | None = None
        with self._guarded():
            self._theta = self._to_device(self.theta)
            self._memory = self._to_device(self.memory)
            self._weights = self._views(self._theta)
            self._remembered = [self._views(one) for one in self._memory]
            if self.device.kind != "cpu" and x.nbytes < SHARE * self.device.free:
                self._rows = self._to_device(np.array(x, dtype=self.theta.dtype))

    def _check_room(self, x: NDArray[np.float32], spec: AutoencoderSpec) -> None:
        """Refuse a batch, or on a GPU a network, for which there is no room."""
        size, on_host = self.theta.itemsize, self.device.kind == "cpu"
        if not on_host and not self.device.free:
            return
        # Weights and what the solver remembers, both as they were twice, and the slope; those of
        # the host were asked for already.
        weights = 0 if on_host else self.theta.nbytes * (3 * (1 + len(self.memory)) + 2)
        resident = not on_host and x.nbytes < SHARE * self.device.free
        # Of a row: itself, what both layers give before and after their sigmoids, and slopes.
        each = size * (5 * self.width + 4 * self.units)
        batch = 1 if spec.solver == "lbfgs" else min(spec.batch_size, len(x))
        enough_for(
            Need(weights, each, batch, x.nbytes if resident else 0),
            "This network and its batches",
            self.noun,
            "Take fewer hidden units, or smaller patches.",
            free=None if on_host else self.device.free,
            where="memory" if on_host else f"memory of the {self.device.title}",
        )

    @property
    def engine(self) -> str:
        """What computes, for people."""
        return f"PyTorch {self.version}, {self.place}"

    @property
    def _mean_type(self) -> str:
        """The type in which ρ̂ and costs are summed; Apple GPUs have no float64."""
        return "float32" if self.device.kind == "mps" else "float64"

    def _views(self, vector: Tensor) -> list[Tensor]:
        """Return W1 (D, L), b1 (L,), W2 (L, D), b2 (D,) as views of a vector (P,)."""
        D, L = self.width, self.units
        parts, at = [], 0
        for shape in ((D, L), (L,), (L, D), (D,)):
            size = int(np.prod(shape))
            parts.append(vector[at : at + size].view(shape))
            at += size
        return parts

    def _batch(self, rows: NDArray[np.int64] | slice) -> Tensor:
        """Return rows (n, D) on the device, in the type of the weights."""
        import torch

        if isinstance(rows, slice):
            if self._rows is not None:
                return self._rows[rows]
            # A copy: rows that are read-only or mapped are none of torch's.
            return self._to_device(np.array(self.x[rows], dtype=self.theta.dtype))
        if self._rows is not None:
            return self._rows[torch.from_numpy(rows).to(self.device.name)]
        return self._to_device(self.x[rows].astype(self.theta.dtype, copy=False))

    # --- the cost

    def _sparsity(self, rho_hat: Tensor, rho: float) -> Tensor:
        """Return Σ_b KL(ρ‖ρ̂_b), of means in `_mean_type`."""
        import torch

        # float32 has no number between 1 − 2⁻²⁴ and 1.
        clamp = autoencoder.CLAMP if rho_hat.dtype == torch.float64 else 2.0**-24
        # The value is held off 0 and 1; its slope there leads back, where clamp's own would be 0.
        mean = rho_hat + (rho_hat.clamp(clamp, 1 - clamp) - rho_hat).detach()
        return (rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))).sum()

    def _forward(self, weights: list[Tensor], x: Tensor, decoder: str) -> tuple[Tensor, Tensor]:
        """Return hidden activations (n, L) and Σ‖x − o‖² of rows (n, D)."""
        import torch

        w1, b1, w2, b2 = weights
        h = torch.sigmoid(torch.addmm(b1, x, w1))
        o = torch.addmm(b2, h, w2)
        if decoder == "sigmoid":
            o = torch.sigmoid(o)
        return h, torch.sum(torch.square(o - x), dtype=getattr(torch, self._mean_type))

    def _decay(self, weights: list[Tensor]) -> Tensor:
        """Return ΣW1² + ΣW2²."""
        import torch

        w1, _, w2, _ = weights
        kind = getattr(torch, self._mean_type)
        return torch.square(w1).sum(dtype=kind) + torch.square(w2).sum(dtype=kind)

    def _cost(self, x: Tensor, spec: AutoencoderSpec) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return the terms (3,), ρ̂ (L,) and the gradient, of a batch."""
        import torch

        leaves = [one.detach().requires_grad_() for one in self._weights]
        h, squares = self._forward(leaves, x, spec.decoder)
        rho_hat = h.mean(dim=0, dtype=getattr(torch, self._mean_type))
        reconstruction = squares / (2 * len(x))
        sparsity = spec.beta * self._sparsity(rho_hat, spec.rho)
        slopes = list(torch.autograd.grad(reconstruction + sparsity, leaves))
        # λ/2 ΣW² is no matter for autograd: its slope is λ W.
        torch._foreach_add_(slopes[::2], self._weights[::2], alpha=spec.lam)
        decay = spec.lam / 2 * self._decay(self._weights)
        terms = torch.stack([reconstruction.detach(), decay, sparsity.detach()])
        return terms, rho_hat.detach(), slopes

    # --- steps of a first-order solver

    def _descend(
        self,
        order: NDArray[np.int64],
        spec: AutoencoderSpec,
        interrupt: NDArray[np.int32],
        most: int,
    ) -> StepOutcome:
        with self._guarded():
            return super()._descend(order, spec, interrupt, most)

    def _call(
        self,
        order: NDArray[np.int64],
        spec: AutoencoderSpec,
        interrupt: NDArray[np.int32],
        most: int,
    ) -> tuple[NDArray[np.float64], int, bool]:
        import torch

        from app.core.torch_models.solvers import update

        start = self._copies()
        seen: list[Tensor] = []
        means: list[Tensor] = []
        for number in range(most):
            rows = order[number * spec.batch_size : (number + 1) * spec.batch_size]
            terms, rho_hat, slopes = self._cost(self._batch(rows), spec)
            update(
                spec.solver,
                self._weights,
                slopes,
                self._remembered,
                self.taken + number + 1,
                spec.learning_rate,
                spec.momentum,
            )
            seen.append(terms)
            means.append(rho_hat)
            if interrupt[0]:
                break
        # The device is waited for once in a call.
        numbers = torch.stack(seen).cpu().numpy().astype(np.float64)
        good = np.isfinite(numbers.sum(axis=1))
        done = len(numbers) if good.all() else int(good.argmin())
        if done:
            self.rho_hat = means[done - 1].cpu().numpy().astype(np.float64)
        else:
            # Not even the first cost was finite: its step counts as not taken.
            self._put_back(*start)
        return numbers, done, done == len(numbers)

    def _copies(self) -> tuple[Any, Any]:
        """Return copies that stay on the device."""
        return self._theta.clone(), self._memory.clone()

    def _put_back(self, theta: Any, memory: Any) -> None:
        self._theta.copy_(theta)
        self._memory.copy_(memory)

    def _weights_are_finite(self) -> bool:
        import torch

        return bool(torch.isfinite(self._theta).all())

    # --- all rows: L-BFGS and evaluation

    def _iterate(self, spec: AutoencoderSpec, interrupt: NDArray[np.int32]) -> StepOutcome:
        self._pull()
        outcome = super()._iterate(spec, interrupt)
        self._push()
        return outcome

    def _blocks(self, interrupt: NDArray[np.int32] | None) -> Iterator[Tensor]:
        """Yield all rows, some thousand at a time."""
        for start in range(0, len(self.x), BLOCK):
            if start and start % PIECE == 0:
                self._between(interrupt)
            yield self._batch(slice(start, start + BLOCK))

    def _whole(
        self,
        theta: NDArray[Any],
        spec: AutoencoderSpec,
        *,
        gradient: bool,
        interrupt: NDArray[np.int32] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[Any] | None, NDArray[np.float64]]:
        """Visit all rows twice: the mean activations must be known before their slope is."""
        import torch

        count, kind = len(self.x), getattr(torch, self._mean_type)
        with self._guarded():
            vector = self._to_device(theta)
            weights = self._views(vector)
            sums = torch.zeros(self.units, dtype=kind, device=self.device.name)
            for x in self._blocks(interrupt):
                sums += torch.sigmoid(torch.addmm(weights[1], x, weights[0])).sum(0, dtype=kind)
            rho_hat = (sums / count).requires_grad_()
            sparsity = spec.beta * self._sparsity(rho_hat, spec.rho)
            (slope,) = torch.autograd.grad(sparsity, rho_hat)
            pull = (slope / count).to(vector.dtype)
            total = spec.lam * vector
            into = self._views(total)
            for bias in into[1::2]:
                bias.zero_()
            squares = torch.zeros((), dtype=kind, device=self.device.name)
            for x in self._blocks(interrupt):
                leaves = [one.detach().requires_grad_(gradient) for one in weights]
                h, more = self._forward(leaves, x, spec.decoder)
                squares += more.detach()
                if gradient:
                    part = more / (2 * count) + (pull * h).sum()
                    torch._foreach_add_(into, list(torch.autograd.grad(part, leaves)))
            decay = spec.lam / 2 * self._decay(weights)
            terms = torch.stack([squares / (2 * count), decay, sparsity.detach()])
            return (
                terms.cpu().numpy().astype(np.float64),
                total.cpu().numpy() if gradient else None,
                rho_hat.detach().cpu().numpy().astype(np.float64),
            )

    def evaluate(self, spec: AutoencoderSpec) -> NDArray[np.float64]:
        """Return the terms (3,) over all rows at the current weights."""
        self._pull()
        return super().evaluate(spec)

    # --- room

    def _wanted_batch(self) -> int:
        whole = self.spec.solver == "lbfgs"
        return self.spec.batch_size if hasattr(self, "_weights") and not whole else 0

    def _try_batch(self, batch: int) -> None:
        import torch

        shape = (batch, self.width)
        self._cost(torch.zeros(shape, dtype=self._theta.dtype, device=self.device.name), self.spec)

    # --- what is kept

    def _pull(self) -> None:
        """Let the host's copy be what the device has."""
        if self.device.kind != "cpu":
            with self._guarded():
                self.theta[...] = self._theta.cpu().numpy()
                self.memory[...] = self._memory.cpu().numpy()

    def _push(self) -> None:
        """Let the device have what the host's copy is."""
        import torch

        if self.device.kind != "cpu":
            with self._guarded():
                self._theta.copy_(torch.from_numpy(self.theta))
                self._memory.copy_(torch.from_numpy(self.memory))

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return W1 (D, L), b1 (L,), W2 (L, D), b2 (D,) as views of the host's copy."""
        self._pull()
        return super().weights()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that an exact continuation needs; see `AutoencoderLearner`."""
        self._pull()
        return super().state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up what `state` returned, of any engine."""
        super().restore(state)
        self._push()
