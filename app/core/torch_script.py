"""A plain PyTorch script that repeats the run of a convolutional network without this program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.core.data.cifar import CIFAR10
from app.core.data.files import Limits
from app.core.data.image_preprocess import CIFAR10_MEAN, CIFAR10_STD
from app.core.data.pairs import find_pairs, named_pair
from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.errors import UsageError
from app.core.history import History
from app.core.nn.description import describe_network
from app.core.nn.plan import Row, plan
from app.core.params import describe
from app.core.runs import RunInfo
from app.core.runs.info import SourceInfo
from app.core.specs import layers

__all__ = ["torch_script"]

# Settings of how this program computes: the script is PyTorch, one list of modules.
LEFT_OUT = ("layers", "engine", "level", "compile")


def torch_script(info: RunInfo, history: History) -> str:
    """Return a script that trains the same network on the same images, in the same order.

    It needs torch and NumPy, whose generators draw weights, order, flips, crops and masks as here
    (and h5py for an HDF5 file, Pillow for a folder of classes). It moves live values where they
    were moved and ends where the run ended. Of a run on PyTorch's modules it takes the very steps,
    each sum in the same order: on the same machine loss, weights and accuracy are the same to the
    last bit. Of a run of another engine the curve is the same within rounding.

    Raises
    ------
    UsageError
        The run used L-BFGS, drawn images, an own model or weights from a file, or goes on from
        another run: there is no short script for these.
    """
    info.needs_no_file()
    (spec, images), source = info.convnet, info.source
    if spec.solver == "lbfgs":
        raise UsageError(
            "There is no script for L-BFGS runs.", "Export one of a first-order solver."
        )
    if len(history) and history.steps[0] != 1:
        raise UsageError("There is no script for a run that goes on from another.")
    description = describe_network(spec.rows, source.shape, len(info.classes))
    if description.error is not None:
        raise description.error
    values: dict[str, Any] = {
        name: value for name, value in spec.model_dump().items() if name not in LEFT_OUT
    }
    values.update(images.model_dump())
    values.update(
        path=source.path,
        arrays=_arrays(source),
        folder=_is_class_folder(source),
        side=int(source.dataset) if source.dataset.isdecimal() else 0,
        image_count=source.count,
        binary=source.dataset.endswith("binary"),
        image_shape=source.shape,
        threads=info.threads,
        top=255.0 if source.value_range == "0..255" else 1.0,
        # A run that was ended early, or changed under way, is repeated like that.
        steps=len(history) or info.steps_per_epoch * spec.epochs,
    )
    live = {parameter.name for parameter in describe(type(spec)) if parameter.hyper.live}
    values["changes"] = [
        (step, change.name, change.new) for step, change in history.changes if change.name in live
    ]
    values["cifar10_mean"], values["cifar10_std"] = CIFAR10_MEAN, CIFAR10_STD
    settings = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    modules = "\n".join(_lines(plan(description), 4))
    return _SCRIPT.replace("    # NETWORK", modules).replace("# SETTINGS", settings)


def _arrays(source: SourceInfo) -> list[tuple[str, str, str, str]]:
    """Return part, images, labels and layout of each pair in a file; none for folders, CIFAR-10."""
    if source.dataset.startswith(CIFAR10) or _is_class_folder(source):
        return []
    if source.path == SYNTHETIC_NAME:
        raise UsageError(
            "There is no script for the images that the program draws.",
            "Train on CIFAR-10 or on a file of your own.",
        )
    path = Path(source.path)
    limits = Limits()
    pairs = (
        (named_pair(path, source.dataset, limits),) if source.dataset else find_pairs(path, limits)
    )
    return [(pair.part, pair.images, pair.labels, pair.layout) for pair in pairs]


def _is_class_folder(source: SourceInfo) -> bool:
    """Return whether the images lie in a folder with a folder for each class."""
    return not source.dataset.startswith(CIFAR10) and Path(source.path).is_dir()


def _lines(rows: Sequence[Row], indent: int) -> Iterator[str]:
    """Yield a line of Python for each module of `nn.Sequential`."""
    space = " " * indent
    for row in rows:
        if not isinstance(row.layer, layers.Residual):
            for module in _modules(row):
                yield f"{space}{module},"
            continue
        past = "nn.Identity()"
        if row.names:
            channels, filters = row.in_shape[0], row.out_shape[0]
            past = f"nn.Conv2d({channels}, {filters}, 1, {row.shortcut_stride})"
        yield f"{space}Residual(nn.Sequential("
        yield from _lines(row.inside, indent + 4)
        yield f"{space}), {past}),"


def _modules(row: Row) -> Iterator[str]:
    """Yield how PyTorch calls a row; `app.core.torch_models.sequential` makes the same."""
    layer, channels = row.layer, row.in_shape[0]
    size = 1
    for side in row.in_shape:
        size *= side
    match layer:
        case layers.Conv(filters=filters, height=height, width=width, stride=stride, pad=pad):
            yield f"nn.Conv2d({channels}, {filters}, ({height}, {width}), {stride}, {pad})"
        case layers.Affine(units=units):
            yield "nn.Flatten()"
            yield f"nn.Linear({size}, {units})"
        case layers.Relu():
            yield "nn.ReLU()"
        case layers.LeakyRelu(slope=slope):
            yield f"nn.LeakyReLU({slope})"
        case layers.Elu(alpha=alpha):
            yield f"nn.ELU({alpha})"
        case layers.Pool(size=window, stride=stride):
            yield f"nn.MaxPool2d({window}, {stride})"
        case layers.AvgPool(size=window, stride=stride):
            yield f"nn.AvgPool2d({window}, {stride})"
        case layers.GlobalAvgPool():
            yield "GlobalAvgPool()"
        case layers.Dropout(keep=keep):
            yield f"Dropout({keep})"
        case layers.Batchnorm():
            yield f"Batchnorm({channels})"
        case layers.Groupnorm(groups=groups):
            yield f"nn.GroupNorm({groups}, {channels})"
        case layers.Layernorm():
            yield f"nn.GroupNorm(1, {channels})"
        case _:
            raise TypeError(f"{layer.text} cannot be written")


_SCRIPT = '''"""Repeats a run of Filterscope with PyTorch alone; NumPy reads, and draws what is random."""

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
        self.gamma, self.beta = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.gamma, self.beta)
        # With momentum 1, torch leaves the batch's own figures here.
        mean, var = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        out = F.batch_norm(x, mean, var, self.gamma, self.beta, training=True, momentum=1.0)
        count = x.numel() // x.shape[1]
        with torch.no_grad():
            self.running_mean.lerp_(mean, 1 - 0.9)
            self.running_var.lerp_(var * ((count - 1) / count), 1 - 0.9)
        return out


class GlobalAvgPool(nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3))


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

# --- the images


def cifar():
    def decode(name, data):
        if name.endswith(".bin"):
            rows = np.frombuffer(data, np.uint8).reshape(-1, 3073)
            return rows[:, 1:], rows[:, 0]
        import io
        import pickle

        class Arrays(pickle.Unpickler):
            """Reads arrays and nothing else: a pickle could run whatever it names."""

            def find_class(self, module, name):
                homes = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs")
                if module not in homes or name not in ("_reconstruct", "ndarray", "dtype", "encode"):
                    raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
                return super().find_class(module, name)

        batch = Arrays(io.BytesIO(data), encoding="bytes").load()
        return batch[b"data"], np.array(batch[b"labels"])

    files = {}
    if os.path.isdir(path):
        for name in os.listdir(path):
            if os.path.isfile(os.path.join(path, name)):
                with open(os.path.join(path, name), "rb") as file:
                    files[name] = file.read()
    elif os.path.basename(path).partition(".")[0] in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        with open(path, "rb") as file:
            files[os.path.basename(path)] = file.read()
    else:
        import tarfile

        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile():
                    files[os.path.basename(member.name)] = archive.extractfile(member).read()
    ending = ".bin" if binary else ""
    names = [f"{name}{ending}" for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")]
    names = [name for name in names if name in files]
    parts = [decode(name, files[name]) for name in names]
    x = np.concatenate([x for x, _ in parts]).reshape(-1, 3, 32, 32)
    y = np.concatenate([y for _, y in parts]).astype(np.int64)
    return x, y, 0, len(parts[-1][1]) if len(parts) > 1 else 0


def folders():
    from PIL import Image

    def entries(place):
        return sorted((os.path.join(place, name) for name in os.listdir(place)), key=os.path.normcase)

    def name_of(place):
        return os.path.basename(place).encode("utf-8", "replace").decode()

    def folders_in(place):
        return [one for one in entries(place) if not name_of(one).startswith((".", "__")) and os.path.isdir(one)]

    def images_in(place):
        endings = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".ppm")
        return [one for one in entries(place) if one.lower().endswith(endings) and name_of(one)[0] != "."]

    def pixels(file):
        with Image.open(file, formats=("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "PPM")) as image:
            image = image.convert("RGB")
        if side:  # the middle square, made smaller or larger
            least = min(image.size)
            left, top = (image.width - least) // 2, (image.height - least) // 2
            middle = image.crop((left, top, left + least, top + least))
            image = middle.resize((side, side), Image.Resampling.LANCZOS)
        return np.asarray(image).transpose(2, 0, 1)

    levels = {"train": ("train", "training"), "validation": ("validation", "valid", "val"), "test": ("test", "testing")}
    inside = {name_of(one).lower(): one for one in folders_in(path)}
    parts = {}
    for level, names in levels.items():
        found = [inside[name] for name in names if name in inside]
        if found:
            parts[level] = found[0]
    if "train" not in parts or not folders_in(parts["train"]):
        parts = {"train": path}
    files = {(level, name_of(one)): images_in(one) for level, place in parts.items() for one in folders_in(place)}
    names = sorted({name for (_, name), some in files.items() if some})
    xs, ys, counts = [], [], dict.fromkeys(levels, 0)
    for level in parts:
        some = [(names.index(name), file) for (at, name), those in sorted(files.items()) if at == level for file in those]
        for place in np.random.default_rng([len(some), 8]).permutation(len(some)):
            label, file = some[place]
            try:
                image = pixels(file)
            except Exception:  # what cannot be read was left out then, too
                continue
            if side or max(image.shape) <= 512:
                xs.append(image)
                ys.append(label)
                counts[level] += 1
    if len(xs) != image_count:
        raise SystemExit(f"{path} has {len(xs)} images now, and had {image_count}.")
    x = np.stack(xs)
    if (x == x[:, :1]).all():
        x = x[:, :1]
    return x, np.array(ys), counts["validation"], counts["test"]


def named(name):
    if path.endswith(".npz"):
        with np.load(path, allow_pickle=False) as file:
            return file[name.strip("/")]
    import h5py

    with h5py.File(path, "r") as file:
        return file[name][:]


def own():
    xs, ys, counts = [], [], {}
    for part, images, labels, layout in arrays:
        x, y = named(images), named(labels)
        axes = layout
        if "D" in layout.upper():  # rows of numbers, row by row (D) or column by column (d)
            x = (x if layout[0] == "N" else x.T).reshape(-1, *image_shape)
            axes = "NCHW" if "D" in layout else "NCWH"
        elif "C" not in layout:
            x, axes = x[None], "C" + layout
        x = x.transpose([axes.index(axis) for axis in "NCHW"])
        if y.ndim == 2 and 1 not in y.shape:  # one-hot
            y = y.argmax(axis=1)
        y = y.reshape(-1).astype(np.int64)
        if x.dtype.kind == "f":
            x = x.astype(np.float32)
            good = np.isfinite(x.sum(axis=(1, 2, 3), dtype=np.float64))
            x, y = x[good] * np.float32(255 / top), y[good]
        else:
            x = x.astype(np.uint8)
        xs.append(x)
        ys.append(y)
        counts[part] = len(x)
    x, y, first = np.concatenate(xs), np.concatenate(ys), len(xs[0])
    y -= int(y.min() == 1)
    share = np.bincount(y[:first]) / first
    if (y[1:first] != y[: first - 1]).sum() < (1 - share @ share) * (first - 1) / 4:
        # Ordered by class: mixed.
        order = np.random.default_rng([first, 8]).permutation(first)
        x[:first], y[:first] = x[order], y[order]
    return x, y, counts.get("validation", 0), counts.get("test", 0)


x, y, own_validation, own_test = folders() if folder else own() if arrays else cifar()
free = len(x) - own_test - own_validation
validation, train, test = 0 if own_validation else validation_count, train_count, 0
if train + validation > free:
    validation = min(validation, free // 10)
    test = 0 if own_test else free // 10
    train = min(train, free - validation - test)
elif not own_test:
    test = free - train - validation
order, kept = np.arange(free), np.arange(free, len(x))
if split_seed:
    order = np.random.default_rng([split_seed, 6]).permutation(free)
train_rows = order[:train]
validation_rows = kept[:own_validation] if own_validation else order[train : train + validation]
test_rows = kept[own_validation:] if own_test else order[train + validation : train + validation + test]

channels = x.shape[1]
shift, factor = np.zeros((channels, 1, 1)), np.ones((channels, 1, 1))
if normalisation in ("mean_image", "per_channel"):
    total, squares = np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
    for start in range(0, train, 1024):
        block = x[train_rows[start : start + 1024]].astype(np.float64)
        total += block.sum(axis=0)
        squares += np.einsum("nchw,nchw->chw", block, block)
    mean, square = total / train, squares / train
    shift = mean
    if normalisation == "per_channel":
        shift, square = (one.mean(axis=(1, 2), keepdims=True) for one in (mean, square))
        deviation = np.sqrt(np.maximum(square - shift**2, 0))
        factor = 1 / np.where(deviation > 1e-6, deviation, 1)
elif normalisation == "scale":
    factor = factor / 255
elif normalisation == "cifar10":
    known = np.array([cifar10_mean, cifar10_std])
    if channels != 3:
        known = known.mean(axis=1, keepdims=True)
    shift, deviation = 255 * known[:, :, None, None]
    factor = 1 / deviation
shift, factor = shift.astype(precision), factor.astype(precision)


def normalised(pixels):
    return np.subtract(pixels, shift, dtype=precision) * factor


def augmented(batch, rng):
    reach = min(crop, min(batch.shape[2:]) - 1)
    if reach > 0:
        around = np.pad(batch, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(around, batch.shape[2:], axis=(2, 3))
        down, across = rng.integers(0, 2 * reach + 1, (2, len(batch)))
        batch = windows[np.arange(len(batch)), :, down, across]
    if flip:
        mirrored = rng.random(len(batch)) < 0.5
        batch = batch.copy()
        batch[mirrored] = batch[mirrored][..., ::-1]
    return batch


# --- the first weights

torch.set_num_threads(threads)
where = "cuda" if device in ("auto", "cuda") and torch.cuda.is_available() else "cpu"
network = network.to(where, getattr(torch, precision))
rng = np.random.default_rng([seed, 1])
decayed = []
with torch.no_grad():
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            shape = tuple(module.weight.shape)
            inputs = math.prod(shape[1:])
            deviation = weight_scale if initialisation == "normal" else math.sqrt(2 / inputs)
            # Filterscope keeps W of an affine layer as (inputs, outputs).
            linear = isinstance(module, nn.Linear)
            size = shape[::-1] if linear else shape
            if initialisation == "uniform":
                drawn = rng.uniform(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), size)
            else:
                drawn = rng.normal(0, deviation, size)
            drawn = torch.from_numpy(drawn.astype(precision)).to(where)
            module.weight = nn.Parameter(drawn.t() if linear else drawn)
            module.bias.zero_()
            decayed.append(module.weight)
weights = list(network.parameters())
decays = [any(w is one for one in decayed) for w in weights]
first, second = ([torch.zeros_like(w) for w in weights] for _ in range(2))

# --- training


def rate(step):
    epoch = step // per_epoch
    if schedule == "constant":
        return learning_rate
    if schedule == "decay":
        return learning_rate * rate_decay**epoch
    if schedule == "step":
        return learning_rate * rate_decay ** (epoch // step_epochs)
    total = per_epoch * epochs
    share = min(step / total, 1)

    def rising(part):
        return (1 - math.cos(math.pi * part)) / 2

    if schedule == "one_cycle":
        peak = warmup or 0.3
        if share < peak:
            return learning_rate * (1 / 25 + (1 - 1 / 25) * rising(share / peak))
        return learning_rate * (1 - rising((share - peak) / (1 - peak)))
    if share < warmup:
        return learning_rate * (step + 1) / (warmup * total + 1)
    return learning_rate * (1 - rising((share - warmup) / (1 - warmup)))


def scores_of(images):
    images = torch.from_numpy(np.ascontiguousarray(images)).to(where)
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(where, torch.bfloat16, enabled=mixed_precision != "none" and precision == "float32"):
        return network(images).to(getattr(torch, precision))


def accuracy(rows):
    network.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(rows), 250):
            part = rows[start : start + 250]
            scores = scores_of(normalised(x[part])).double()
            if mirror_looks:  # the mean of both looks has the same largest score as their sum
                scores = scores + scores_of(normalised(x[part][..., ::-1])).double()
            right += int((scores.argmax(1).cpu().numpy() == y[part]).sum())
    return right / len(rows)


def loss_of(scores, labels):
    if loss == "softmax":
        return F.cross_entropy(scores, labels, label_smoothing=label_smoothing)
    right = scores.gather(1, labels[:, None])
    return (scores - right + 1).clamp(min=0).sum() / len(scores) - 1


@torch.no_grad()
def move(step, slopes):
    eta = rate(step - 1)
    for w, g, m, v in zip(weights, slopes, first, second):
        if solver == "sgd":
            w.add_(g, alpha=-eta)
        elif solver in ("momentum", "nesterov"):
            m.mul_(momentum).add_(g, alpha=-eta)
            if solver == "momentum":
                w.add_(m)
            else:
                w.add_(m, alpha=momentum).add_(g, alpha=-eta)
        elif solver == "adam":
            m.lerp_(g, 1 - 0.9)
            v.mul_(0.999).addcmul_(g, g, value=1 - 0.999)
            roots = v.sqrt().mul_((1 - 0.999**step) ** -0.5).add_(1e-8)
            w.addcdiv_(m, roots, value=-eta / (1 - 0.9**step))
        else:
            if solver == "rmsprop":
                v.mul_(0.99)
            v.addcmul_(g, g, value=1 - 0.99 if solver == "rmsprop" else 1)
            w.addcdiv_(g, v.sqrt().add_(1e-8), value=-eta)


per_epoch = -(-train // batch_size)
losses, evaluations, best, best_weights = [], [], -1.0, None
for step in range(1, steps + 1):
    epoch, batch = divmod(step - 1, per_epoch)
    if batch == 0:
        order = np.random.default_rng([seed, 2, epoch]).permutation(train)
    for done, name, value in changes:
        if done == step - 1:
            globals()[name] = value
    rows = train_rows[order[batch * batch_size : (batch + 1) * batch_size]]
    images = normalised(augmented(x[rows], np.random.default_rng([seed, 7, epoch, batch])))
    masks = np.random.default_rng([seed, 8, step - 1])
    network.train()
    data = loss_of(scores_of(images), torch.from_numpy(y[rows]).to(where))
    slopes = torch.autograd.grad(data, weights)
    squares = 0.0
    if reg:
        with torch.no_grad():
            squares = (reg / 2 * torch.stack([w.norm() for w in decayed]).square().sum()).item()
        slopes = [g.add(w, alpha=reg) if decay else g for g, w, decay in zip(slopes, weights, decays)]
    losses.append(data.item() + squares)
    move(step, slopes)
    if len(validation_rows) and (step % (evaluate_every or per_epoch) == 0 or step % per_epoch == 0):
        evaluations.append((step, accuracy(validation_rows)))
        print(f"step {step}  loss {losses[-1]:.6g}  validation {evaluations[-1][1]:.4f}")
        if evaluations[-1][1] > best:
            best = evaluations[-1][1]
            best_weights = {name: one.clone() for name, one in network.state_dict().items()}
if best_weights is not None:
    network.load_state_dict(best_weights)
    print(f"best validation {best:.4f}")
if len(test_rows):
    print(f"test {accuracy(test_rows):.4f}")
torch.save(network.state_dict(), "weights.pt")
np.savez("curves.npz", losses=losses, evaluations=np.array(evaluations).reshape(-1, 2))
'''
