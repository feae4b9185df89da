"""What the CNN lab offers to take away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app.core.data.image_preprocess import FittedImages
from app.core.errors import UsageError
from app.core.events import Finished
from app.core.export import evaluations_csv, settings_text
from app.core.learners import ConvNetLearner
from app.core.nn.network import Network
from app.core.params import field_in_words
from app.core.runs.info import now
from app.core.tensorboard import event_file
from app.core.torch_exports import onnx_bytes, state_dict_bytes, tensors_bytes
from app.core.torch_script import torch_script
from app.ui.export_items import Item, Maker, step_of
from app.ui.labs.convnet_lab import ConvNetLab

__all__ = ["convnet_items"]


def no_onnx() -> bytes:
    """Say that there is no such file of a person's own network."""
    raise UsageError(
        "No ONNX file is made of a network of your own.", "Save its weights as .pt or .safetensors."
    )


def convnet_items(lab: ConvNetLab, zoom: Callable[[], int]) -> list[Item]:
    """Return what the CNN lab offers."""
    panel = lab.panel

    def settings() -> dict[str, str]:
        data = panel.seen_data
        if data is None:
            return settings_text(panel.seen_spec)
        return settings_text(
            panel.seen_spec,
            data.spec,
            data_sha256=data.images.source.sha256,
            **step_of(panel.moment),
        )

    def caption() -> str:
        spec, training = panel.seen_spec, lab.training.training
        model = lab.model if training is None else training.model
        layers = spec.layers if model is None else f"own network {model.name}"
        solver = field_in_words(spec, "solver")
        return f"{layers}; {solver}, rate {spec.learning_rate:g}, seed {spec.seed}"

    def answered() -> bool:
        return panel.answers is not None

    def evaluations() -> bytes:
        training = lab.training.training
        assert training is not None
        return evaluations_csv(training.history)

    def validated() -> bool:
        training = lab.training.training
        return training is not None and bool(training.history.evaluations)

    def seen() -> Mapping[str, Any] | None:
        # Of an older moment of a large network, not all weights are there.
        whole = panel.moment is None or panel.moment.whole
        if not whole or panel.weights is None or not panel.is_own:
            return panel.weights if whole else None
        training = lab.training.training
        run = None if training is None else training.run
        # What is there for the picture of the filters alone is none of a network's own.
        names = set(panel.weights) - {"W1"} if run is None else set(run.shapes())
        return {name: array for name, array in panel.weights.items() if name in names}

    def best() -> Mapping[str, Any] | None:
        training = lab.training.training
        learner = None if training is None else training.learner
        if lab.training.state.alive or not isinstance(learner, ConvNetLearner):
            return None
        return None if learner.best is None else learner.best_network().weights()

    def best_is_there() -> bool:
        training = lab.training.training
        learner = None if training is None else training.learner
        known = isinstance(learner, ConvNetLearner) and learner.best is not None
        return known and not lab.training.state.alive

    def network(weights: Mapping[str, Any] | None) -> tuple[Network, FittedImages]:
        data = panel.seen_data
        assert data is not None
        made = Network(panel.seen_spec.rows, data.images.shape, len(data.classes))
        made.load(weights or {})
        return made, data

    def state_dict(weights: Callable[[], Mapping[str, Any] | None]) -> Callable[[], bytes]:
        if panel.is_own:
            own = dict(weights() or {})
            return lambda: tensors_bytes(own)
        made, _ = network(weights())
        spec = panel.seen_spec
        return lambda: state_dict_bytes(made, spec)

    def onnx(weights: Callable[[], Mapping[str, Any] | None]) -> Callable[[], bytes]:
        if panel.is_own:
            return no_onnx
        made, data = network(weights())
        text = {**settings(), "classes": ", ".join(data.classes)}
        return lambda: onnx_bytes(made, data.shift, data.factor, text)

    def weights(
        key: str,
        text: str,
        get: Callable[[], Mapping[str, Any] | None],
        ready: Callable[[], bool] | None = None,
    ) -> Item:
        made = make.weights(key, text, get)
        later = {"pt": lambda: state_dict(get), "onnx": lambda: onnx(get)}
        return replace(made, later=later, ready=ready or made.ready)

    def events() -> Callable[[], bytes]:
        training = lab.training.training
        assert training is not None
        history = training.history
        run = training.run
        began = now() if run is None else run.info.started
        ending = training.ending
        seconds = ending.seconds if isinstance(ending, Finished) else 0.0
        return lambda: event_file(history, began, seconds)

    def recorded() -> bool:
        training = lab.training.training
        ended = training is not None and not lab.training.state.alive
        return (
            ended
            and not panel.is_own
            and make.trained()
            and training is not None
            and training.run is not None
        )

    def script() -> Callable[[], bytes]:
        training = lab.training.training
        assert training is not None
        assert training.run is not None
        info, history = training.run.info, training.history
        return lambda: torch_script(info, history).encode()

    make = Maker(lab, zoom, settings, caption)
    loss = make.plot("loss", "Loss curves", panel.loss_card.plot, make.trained, make.curves)
    return [
        make.picture("cnn_filters", "First-layer filters", panel.filters),
        make.picture("feature_maps", "Feature maps", panel.maps_card.maps),
        make.picture("images", "Images of each class", panel.maps_card.samples, captioned=False),
        make.picture("mistakes", "Worst mistakes", panel.mistakes_card.images),
        make.plot("confusion", "Confusion matrix", panel.confusion_card.matrix, answered),
        replace(loss, later={"tfevents": events}),
        make.plot("accuracy", "Accuracy curves", panel.accuracy, validated, evaluations),
        weights("cnn_weights", "Weights", seen),
        weights("best", "Weights of the best validation", best, best_is_there),
        Item(
            lab,
            "cnn_script",
            "PyTorch script that repeats it",
            {},
            recorded,
            {"py": script},
            needs="Takes a run that ended, of a network in layers: one of your own is a program already",
        ),
    ]
