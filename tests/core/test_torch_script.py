"""The exported script, run on its own, gives the run's losses and accuracies."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import fit_images
from app.core.data.image_reader import open_images
from app.core.errors import UsageError
from app.core.events import Steps
from app.core.history import History
from app.core.learners import make_convnet_learner
from app.core.run_exports import export_run
from app.core.runs import Recorder, RunFolder
from app.core.specs import ConvNetSpec, ImageSpec
from app.core.torch_script import torch_script
from app.core.training import train
from tests.core.data import cifar_files
from tests.core.learners_of_images import images as made_images
from tests.core.learners_of_images import spec as small_spec

torch = pytest.importorskip("torch")

IMAGES = {"train_count": 80, "validation_count": 20}


def few(folder: Path, **more: Any) -> Path:
    images = made_images()
    np.savez(folder / "few.npz", x=images.x, y=images.y, **more)
    return folder / "few.npz"


def record(
    root: Path, name: str, spec: ConvNetSpec, live: list[ConvNetSpec] | None = None, **images: Any
) -> RunFolder:
    found = open_images(name)
    data = fit_images(found, ImageSpec(**{**IMAGES, **images}))
    run = RunFolder.create(
        root,
        kind="cnn",
        run_id=uuid.uuid4().hex,
        spec=spec,
        preprocess=data.spec,
        source=found.source,
        threads=1,
        classes=found.classes,
    )
    recorder, control, waiting = Recorder(run), Control(), list(live or [])
    count = len(data.split.train)
    for event in train(
        make_convnet_learner(data, spec, threads=1),
        spec,
        control,
        examples=count,
        order=EpochOrder(count, spec.seed),
        run_id=run.info.run_id,
    ):
        recorder.take(event)
        if isinstance(event, Steps) and waiting:
            control.set_live(waiting.pop(0))
    recorder.close()
    return RunFolder.open(run.path)


def repeat(run: RunFolder, folder: Path) -> tuple[dict[str, np.ndarray], str]:
    data, notes = export_run(run, "script", "py")
    assert notes == []
    ast.parse(data)
    script = folder / "repeat.py"
    script.write_bytes(data)
    # -I: neither this program nor the current folder can be imported.
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", str(script)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(folder / "curves.npz", allow_pickle=False) as found:
        return dict(found), done.stdout


def agree(run: RunFolder, folder: Path, bound: float = 1e-4) -> None:
    found, said = repeat(run, folder)
    history, _ = run.read_history()
    assert len(history)
    np.testing.assert_allclose(found["losses"], history.terms.sum(axis=1), rtol=bound)
    evaluated = [[e.step, e.validation_accuracy] for e in history.evaluations]
    np.testing.assert_allclose(found["evaluations"], evaluated, atol=1e-9)
    assert run.info.best is not None
    assert f"best validation {run.info.best.accuracy:.4f}" in said


def test_float32_adam_with_flips_and_crops(tmp_path: Path) -> None:
    run = record(
        tmp_path, str(few(tmp_path)), small_spec(), normalisation="per_channel", flip=True, crop=1
    )
    agree(run, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "images"),
    [
        (
            {
                "layers": "conv 4 3x3, groupnorm 2, leaky_relu, residual(conv 6 stride 2, relu, conv 6), "
                "layernorm, elu, avg_pool 2, dropout keep 0.7, affine 8, batchnorm, relu",
                "solver": "nesterov",
                "schedule": "one_cycle",
                "learning_rate": 0.05,
            },
            {"normalisation": "mean_image", "split_seed": 3},
        ),
        (
            {
                "layers": "conv 6 3x3, relu, global_avg_pool",
                "loss": "svm",
                "solver": "rmsprop",
                "schedule": "decay",
                "dropout": 0.3,
                "evaluate_every": 2,
                "initialisation": "normal",
                "weight_scale": 0.1,
            },
            {"normalisation": "cifar10"},
        ),
        (
            {"solver": "adagrad", "schedule": "cosine", "warmup": 0.2, "label_smoothing": 0.1},
            {"normalisation": "scale", "train_count": 70},
        ),
        (
            {"mirror_looks": True, "layers": "conv 4 3x3, relu, affine 8, relu", "evaluate_every": 1},
            {"normalisation": "mean_image", "flip": True},
        ),
        ({"solver": "sgd", "schedule": "step", "step_epochs": 1, "learning_rate": 0.01}, {"normalisation": "none"}),
        ({"solver": "momentum", "learning_rate": 0.01, "reg": 0.0}, {"train_count": 1000, "validation_count": 0}),
    ],
)  # fmt: skip
def test_layers_losses_solvers_and_schedules(
    tmp_path: Path, values: dict[str, Any], images: dict[str, Any]
) -> None:
    run = record(tmp_path, str(few(tmp_path)), small_spec(precision="float64", **values), **images)
    if images.get("validation_count") == 0:
        found, _ = repeat(run, tmp_path)
        history, _ = run.read_history()
        np.testing.assert_allclose(found["losses"], history.terms.sum(axis=1), rtol=1e-6)
    else:
        agree(run, tmp_path, 1e-6)


@pytest.mark.parametrize(
    "values",
    [
        {"solver": "nesterov", "learning_rate": 0.05, "schedule": "one_cycle", "mirror_looks": True},
        {"solver": "adam", "dropout": 0.3, "label_smoothing": 0.1},
        {
            "layers": "conv 4, pool 2, batchnorm, relu, residual(conv 8, groupnorm 2, elu), dropout keep 0.8, affine 8, relu",
            "solver": "momentum",
            "learning_rate": 0.02,
            "mixed_precision": "bfloat16",
            "channels_last": True,
        },
        {"solver": "rmsprop", "loss": "svm", "reg": 0.0},
    ],
)  # fmt: skip
def test_a_run_on_pytorch_is_repeated_to_the_last_bit(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    """Thousands of steps make something else of one bit: the script rounds as the learner does."""
    settings = small_spec(engine="torch", evaluate_every=2, **values)
    run = record(tmp_path, str(few(tmp_path)), settings, flip=True, crop=1)
    found, _ = repeat(run, tmp_path)
    history, _ = run.read_history()
    np.testing.assert_allclose(found["losses"], history.terms.sum(axis=1), rtol=1e-7)
    evaluated = [[e.step, e.validation_accuracy] for e in history.evaluations]
    np.testing.assert_array_equal(found["evaluations"], evaluated)
    theirs = torch.load(tmp_path / "weights.pt", weights_only=True)
    mine = torch.load(io.BytesIO(export_run(run, "weights", "pt")[0]), weights_only=True)
    assert theirs.keys() == mine.keys()
    for name, one in theirs.items():
        np.testing.assert_array_equal(one.numpy(), mine[name].numpy())


@pytest.mark.slow
def test_live_changes_are_repeated(tmp_path: Path) -> None:
    start = small_spec(precision="float64", epochs=12)
    moved = [start.changed(learning_rate=3e-3), start.changed(reg=0.1, dropout=0.4)]
    run = record(tmp_path, str(few(tmp_path)), start, moved)
    assert len(run.read_history()[0].changes) >= 3
    agree(run, tmp_path, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bin", "py", "archive"])
def test_cifar10_in_every_form(tmp_path: Path, kind: str) -> None:
    if kind == "archive":
        place = tmp_path / "cifar.tar.gz"
        place.write_bytes(cifar_files.archive(prefix="cifar-10-batches-py/"))
    else:
        files = cifar_files.pickled_files()
        if kind == "bin":
            files = {
                f"{name}.bin": cifar_files.flat(seed)
                for seed, name in enumerate(cifar_files.BATCHES)
            }
        place = cifar_files.write(tmp_path / f"cifar-10-batches-{kind}", files)
    run = record(tmp_path, str(place), small_spec(epochs=1), normalisation="per_channel")
    agree(run, tmp_path)


@pytest.mark.slow
def test_arrays_with_names_parts_floats_and_one_hot_labels(tmp_path: Path) -> None:
    images = made_images()
    x = (images.x / 255).astype(np.float32).transpose(0, 2, 3, 1)
    x[3, 0, 0, 0] = np.nan
    hot = np.eye(4)[images.y]
    np.savez(tmp_path / "p.npz", x_train=x[:90], y_train=hot[:90], x_test=x[90:], y_test=hot[90:])
    run = record(tmp_path, str(tmp_path / "p.npz"), small_spec(epochs=1), train_count=60)
    agree(run, tmp_path)
    order = np.argsort(images.y, kind="stable")
    np.savez(tmp_path / "q.npz", pictures=images.x[order], kinds=images.y[order] + 1)
    name = f"{tmp_path / 'q.npz'}::pictures,kinds"
    run = record(tmp_path, name, small_spec(epochs=1))
    agree(run, tmp_path)


@pytest.mark.parametrize("side", [0, 6])
def test_folders_of_classes_with_parts_sizes_and_what_is_left_out(
    tmp_path: Path, side: int
) -> None:
    found = made_images()
    x, y = found.x.transpose(0, 2, 3, 1), found.y
    place = tmp_path / "set"
    for number, (picture, label) in enumerate(zip(x, y, strict=True)):
        part = "Train" if number < 90 else "val" if number < 105 else "test"
        folder = place / part / found.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{'Bb'[number % 2]}{number}.png")
    (place / "Train" / found.classes[0] / "broken.png").write_bytes(b"no picture")
    (place / "Train" / found.classes[0] / ".hidden.png").write_bytes(b"no picture")
    (place / "Train" / "empty").mkdir()
    name = f"{place}::{side}" if side else str(place)
    run = record(tmp_path / "runs", name, small_spec(epochs=1), train_count=80)
    agree(run, tmp_path)


def test_grey_images_of_folders_without_parts(tmp_path: Path) -> None:
    found = made_images(60)
    for number, (picture, label) in enumerate(zip(found.x[:, 0], found.y, strict=True)):
        folder = tmp_path / "grey" / found.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{number}.png")
    run = record(tmp_path / "runs", str(tmp_path / "grey"), small_spec(epochs=1), train_count=40)
    assert run.info.source.shape[0] == 1
    agree(run, tmp_path)
    next((tmp_path / "grey").rglob("*.png")).unlink()
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "repeat.py")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == f"{tmp_path / 'grey'} has 59 images now, and had 60."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spec": small_spec(solver="lbfgs").model_dump()}, "L-BFGS"),
        ({"path": "synthetic", "dataset": "seed 0"}, "draws"),
    ],
)
def test_what_has_no_script_is_one_sentence(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    run = record(tmp_path, str(few(tmp_path)), small_spec(epochs=1))
    if "spec" not in change:
        change = {"source": {**run.info.source.model_dump(), **change}}
    with pytest.raises(UsageError, match=said):
        torch_script(run.info.changed(**change), History(("a", "b")))


def test_a_run_that_goes_on_from_another_has_no_script(tmp_path: Path) -> None:
    run = record(tmp_path, str(few(tmp_path)), small_spec(epochs=1))
    history = History(("a", "b"))
    history.append(9, np.ones((1, 2)))
    with pytest.raises(UsageError, match="goes on from another"):
        torch_script(run.info, history)


def test_every_other_export_of_the_run(tmp_path: Path) -> None:
    """Weights as torch and ONNX know them name the validation images as the run did."""
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    run = record(tmp_path, str(few(tmp_path)), small_spec(), normalisation="mean_image")
    assert run.info.best is not None
    data = fit_images(open_images(run.info.source.path), run.info.convnet[1])
    rows = data.split.validation
    session = runtime.InferenceSession(
        export_run(run, "weights", "onnx")[0], providers=["CPUExecutionProvider"]
    )
    (scores,) = session.run(None, {"images": data.images.x[rows].astype(np.float32)})
    right = (scores.argmax(axis=1) == data.labels(rows)).mean()
    assert right == pytest.approx(run.info.best.accuracy)
    found = torch.load(io.BytesIO(export_run(run, "weights", "pt")[0]), weights_only=True)
    weights = run.read_weights(best=True)[1]
    np.testing.assert_array_equal(found["0.weight"], weights["W1"])
    assert export_run(run, "curves", "tfevents")[0]
    for path in (run.path / "checkpoints").iterdir():
        path.unlink()
    (run.path / "best.safetensors").unlink()
    with pytest.raises(UsageError, match="normalised"):
        export_run(run, "weights", "onnx")
