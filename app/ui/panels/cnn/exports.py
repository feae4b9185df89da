"""What the CNN lab offers to take away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.core.export import evaluations_csv, settings_text
from app.core.learners import ConvNetLearner
from app.ui.export_items import Item, Maker
from app.ui.labs.convnet_lab import ConvNetLab

__all__ = ["convnet_items"]


def convnet_items(lab: ConvNetLab, zoom: Callable[[], int]) -> list[Item]:
    """Return what the CNN lab offers."""
    panel = lab.panel

    def settings() -> dict[str, str]:
        data = panel.seen_data
        if data is None:
            return settings_text(panel.seen_spec)
        return settings_text(panel.seen_spec, data.spec, data_sha256=data.images.source.sha256)

    def caption() -> str:
        spec = panel.seen_spec
        return f"{spec.layers}; {spec.solver}, rate {spec.learning_rate:g}, seed {spec.seed}"

    def answered() -> bool:
        return panel.answers is not None

    def evaluations() -> bytes:
        training = lab.training.training
        assert training is not None
        return evaluations_csv(training.history)

    def validated() -> bool:
        training = lab.training.training
        return training is not None and bool(training.history.evaluations)

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

    make = Maker(lab, zoom, settings, caption)
    chosen = make.weights("best", "Weights of the best validation", best)
    return [
        make.picture("cnn_filters", "First-layer filters", panel.filters),
        make.picture("feature_maps", "Feature maps", panel.maps_card.maps),
        make.picture("images", "Images of each class", panel.maps_card.samples, captioned=False),
        make.picture("mistakes", "Worst mistakes", panel.mistakes_card.images),
        make.plot("confusion", "Confusion matrix", panel.confusion_card.matrix, answered),
        make.plot("loss", "Loss curves", panel.loss_card.plot, make.trained, make.curves),
        make.plot("accuracy", "Accuracy curves", panel.accuracy, validated, evaluations),
        make.weights("cnn_weights", "Weights", lambda: panel.weights),
        Item(lab, chosen.key, chosen.text, chosen.makers, best_is_there),
    ]
