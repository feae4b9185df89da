"""The sanity ladder: five steps that a network should climb before it is trained for long.

A step that fails says why it may have, and what to try; the next are tried all the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.checks.training import few_images, train_briefly
from app.core.data.image_preprocess import FittedImages
from app.core.errors import Cancelled, FilterscopeError
from app.core.nn.gradient_check import GradientCheck, check_network
from app.core.nn.network import Network
from app.core.specs import ConvNetSpec

__all__ = ["STEPS", "LadderStep", "climb"]

# Names of the steps, in their order, and what is asked.
STEPS = {
    "first_loss": "Is the first loss that of guessing?",
    "regularisation": "Does L2 make it higher?",
    "gradient": "Do gradients agree with central differences?",
    "overfit": "Can it learn a few images by heart?",
    "epoch": "Is it above chance after an epoch?",
}

# The first loss may be a little less than that of guessing, and more than it by half or so much:
# He's weights, which keep the signal's strength, give scores of variance 2.
LESS, MORE, ABOVE = 0.9, 1.5, 1.25
FEW = 60
FEW_EPOCHS = 100
BY_HEART = 0.95
# An epoch of more images would not tell more.
EPOCH_IMAGES = 10_000
EPOCH_VALIDATION = 1_000
# Images and elements of each array in a gradient check, and what an error may be.
CHECKED_IMAGES, CHECKED_ELEMENTS, CHECKED_BOUND = 2, 20, 1e-4
PROBED = 100

Between = Callable[[str, float], None]


@dataclass(frozen=True)
class LadderStep:
    """What came of one step.

    Attributes
    ----------
    name : str
        One of `STEPS`.
    passed : bool
    value, expected : str
        What was found, and what should be.
    reason : str
        Why that is so.
    remedy : str
        What to try; empty when it passed.
    gradients : dict
        Of the third step: the check of each array.
    seconds : float
    """

    name: str
    passed: bool
    value: str
    expected: str
    reason: str
    remedy: str = ""
    gradients: dict[str, GradientCheck] | None = None
    seconds: float = 0.0

    @property
    def title(self) -> str:
        """What is asked."""
        return STEPS[self.name]


def climb(
    data: FittedImages,
    spec: ConvNetSpec,
    between: Between = lambda _text, _share: None,
    *,
    engine: str | None = None,
) -> Iterator[LadderStep]:
    """Try all steps, one after the other.

    Parameters
    ----------
    data : FittedImages
    spec : ConvNetSpec
        The person's network and settings. Dropout, L2 and augmentation are switched off where
        they would hide what is asked.
    between : callable
        Told what is done and which share of all is behind, 0 … 1; may raise `Cancelled`.
    engine : {"compiled", "reference"}, optional

    Yields
    ------
    LadderStep
        One that broke off, as with an impossible network, has failed and says why.

    Raises
    ------
    Cancelled
        `between` raised it.
    """
    steps = (_first_loss, _regularisation, _gradient, _overfit, _epoch)
    for place, (name, step) in enumerate(zip(STEPS, steps, strict=True)):

        def say(text: str, share: float, place: int = place) -> None:
            between(text, (place + min(1.0, share)) / len(STEPS))

        say(STEPS[name], 0.0)
        start = time.perf_counter()
        try:
            found = step(data, spec, say, engine)
        except Cancelled:
            raise
        except FilterscopeError as error:
            found = LadderStep(name, False, "it broke off", "", error.message, error.hint)
        yield replace(found, seconds=time.perf_counter() - start)


def _network(
    data: FittedImages, spec: ConvNetSpec, engine: str | None, dtype: str | None = None
) -> Network:
    """Return the network with its first weights."""
    network = Network(
        spec.rows,
        data.images.shape,
        len(data.classes),
        dtype=dtype or spec.precision,
        engine=engine,
    )
    network.initialise(
        np.random.default_rng([spec.seed, 1]),
        how=spec.initialisation,
        weight_scale=spec.weight_scale,
    )
    return network


def _images(data: FittedImages, count: int, dtype: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    rows = data.split.train[:count]
    return data.rows(rows, dtype), data.labels(rows)


def _loss(network: Network, data: FittedImages, spec: ConvNetSpec, reg: float) -> float:
    count = PROBED if not network.sliced else 5
    x, y = _images(data, count, network.dtype)
    return float(network.loss(x, y, reg=reg, kind=spec.loss).terms.sum())


def _first_loss(
    data: FittedImages, spec: ConvNetSpec, _say: Between, engine: str | None
) -> LadderStep:
    classes = len(data.classes)
    guess = math.log(classes) if spec.loss == "softmax" else classes - 1.0
    formula = f"ln {classes}" if spec.loss == "softmax" else f"{classes} − 1"
    found = _loss(_network(data, spec, engine), data, spec, 0.0)
    low, high = LESS * guess, max(MORE * guess, guess + ABOVE)
    near = low <= found <= high
    return LadderStep(
        "first_loss",
        near,
        f"{found:.4f}",
        f"about {formula} = {guess:.4f}: {low:.2f} to {high:.2f}",
        "Small random weights give all classes nearly the same score, and so the loss of guessing."
        if near
        else "The first scores differ much between classes: the network is sure of what it has not learned.",
        ""
        if near
        else "Make the first weights smaller (weight scale), or normalise the images to a standard deviation of 1.",
    )


def _regularisation(
    data: FittedImages, spec: ConvNetSpec, _say: Between, engine: str | None
) -> LadderStep:
    network = _network(data, spec, engine)
    reg = max(spec.reg, 0.5)
    plain, held = (_loss(network, data, spec, value) for value in (0.0, reg))
    expected = (
        reg
        / 2
        * sum(
            float(np.square(network.parameters[name], dtype=np.float64).sum())
            for name in network.decayed
        )
    )
    added = held - plain
    right = added > 0 and abs(added - expected) <= 1e-3 * expected + 1e-5 * abs(plain)
    return LadderStep(
        "regularisation",
        right,
        f"{plain:.4f} → {held:.4f} with λ = {reg:g}",
        f"+{expected:.4g}, which is λ/2 ΣW²",
        "L2 adds λ/2 ΣW², nothing else." if right else "L2 adds something else than λ/2 ΣW².",
        "" if right else "The weights are all zero, or too large for their precision: draw others.",
    )


def _gradient(
    data: FittedImages, spec: ConvNetSpec, say: Between, engine: str | None
) -> LadderStep:
    network = _network(data, spec, engine, "float64")
    x, y = _images(data, CHECKED_IMAGES, np.float64)

    def settings() -> dict[str, Any]:
        # With dropout the same values are left out each time.
        return {"keep": 1 - spec.dropout, "rng": np.random.default_rng([spec.seed, 3])}

    def loss() -> float:
        """Return the loss alone: the way back takes most of the time."""
        scores, _ = network.forward(x, "train", **settings())
        return network.data_loss(scores, y, spec.loss)[0] + network.l2(spec.reg)

    outcome = network.loss(x, y, reg=spec.reg, kind=spec.loss, **settings())
    gradient = network.views(outcome.gradient)
    elements = CHECKED_ELEMENTS if not network.sliced else 3
    found: dict[str, GradientCheck] = {}
    for place, (name, array) in enumerate(network.parameters.items()):

        def between(done: int, whole: int, name: str = name, place: int = place) -> None:
            say(f"Gradient of {name}", (place + done / whole) / len(network.parameters))

        found |= check_network(
            loss,
            {name: array},
            gradient,
            bound=CHECKED_BOUND,
            sample=elements,
            rng=np.random.default_rng([spec.seed, 4]),
            between=between,
        )
    wrong = [name for name, check in found.items() if not check.passed]
    looked = sum(check.looked_at for check in found.values())
    kinks = sum(int(check.kinks.sum()) for check in found.values())
    hidden = sum(int(check.rounding.sum()) for check in found.values())
    worst = max(check.clear_error for check in found.values())
    beside = ", ".join(
        f"{count} {what}"
        for count, what in ((kinks, "at kinks"), (hidden, "hidden by rounding"))
        if count
    )
    return LadderStep(
        "gradient",
        not wrong,
        f"largest error {worst:.1e} of {looked} elements" + (f" ({beside})" if beside else ""),
        f"at most {CHECKED_BOUND:g}",
        "The backward pass says what the loss does when a weight is moved."
        if not wrong
        else f"The backward pass of {', '.join(wrong)} says something else than the loss does.",
        ""
        if not wrong
        else "Look at the worst elements; this is a fault of the program: report it.",
        found,
    )


def _overfit(data: FittedImages, spec: ConvNetSpec, say: Between, engine: str | None) -> LadderStep:
    plain = few_images(data, FEW, 0, augment=False)
    changed = spec.changed(
        reg=0.0,
        dropout=0.0,
        epochs=FEW_EPOCHS,
        batch_size=min(spec.batch_size, 20),
        schedule="constant",
        evaluate_every=0,
    )
    trained = train_briefly(plain, changed, say, enough=BY_HEART, engine=engine)
    count = len(plain.split.train)
    learned = trained.train_accuracy >= BY_HEART
    return LadderStep(
        "overfit",
        learned,
        f"{trained.train_accuracy:.0%} of {count} images, loss {trained.first_loss:.3g} → {trained.last_loss:.3g}",
        f"{BY_HEART:.0%} within {FEW_EPOCHS} epochs, without L2 and dropout",
        "It has enough weights, and the solver moves them the right way."
        if learned
        else "It cannot even learn a few images by heart: the rate does not fit, the signal dies on the way, or it is too small.",
        ""
        if learned
        else "Try another learning rate (ten times more, ten times less), He's first weights, or more filters.",
    )


def _epoch(data: FittedImages, spec: ConvNetSpec, say: Between, engine: str | None) -> LadderStep:
    few = few_images(data, EPOCH_IMAGES, EPOCH_VALIDATION)
    # An iteration of L-BFGS is no epoch's worth of steps.
    epochs = 20 if spec.solver == "lbfgs" else 1
    changed = spec.changed(epochs=epochs, evaluate_every=0)
    trained = train_briefly(few, changed, say, engine=engine)
    rows = few.split.validation if len(few.split.validation) else few.split.train
    accuracy = trained.validation_accuracy
    if accuracy is None:
        accuracy = trained.train_accuracy
    chance = float(few.images.counts(rows).max() / len(rows))
    # Three standard deviations of guessing.
    least = min(1.0, chance + 3 * math.sqrt(chance * (1 - chance) / len(rows)))
    above = accuracy > least
    where = "validation" if trained.validation_accuracy is not None else "training"
    return LadderStep(
        "epoch",
        above,
        f"{accuracy:.1%} of {len(rows):,} {where} images after {len(few.split.train):,}",
        f"more than {least:.1%}; guessing gives {chance:.1%}",
        "It learns something that holds for images it has not seen."
        if above
        else "What it learned does not hold for others, or it learned nothing.",
        "" if above else "Try another learning rate, less L2, or more epochs; look at the labels.",
    )
