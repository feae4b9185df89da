"""A plain NumPy script that repeats a run without this program."""

from __future__ import annotations

from app.core.data.patches import LARGE_BYTES
from app.core.errors import UsageError
from app.core.history import History
from app.core.params import describe
from app.core.runs import RunInfo

__all__ = ["repeat_script"]


def repeat_script(info: RunInfo, history: History) -> str:
    """Return a script that trains the same network on the same data, in the same order.

    It reads the file with h5py or NumPy, preprocesses and trains in NumPy alone, moves live
    values where they were moved, ends where the run ended, and gives the same curve within
    rounding.

    Raises
    ------
    UsageError
        The run used L-BFGS, photographs, weights from a file or a file larger than memory, or goes
        on from another run: there is no short script for these.
    """
    info.needs_no_file()
    (spec, preprocess), source = info.autoencoder, info.source
    if spec.solver == "lbfgs":
        raise UsageError(
            "There is no script for L-BFGS runs.", "Export one of a first-order solver."
        )
    if source.dataset.startswith("cut "):
        raise UsageError("There is no script for patches that were cut from photographs.")
    channels, height, width = source.shape
    size = source.count * height * width * (1 if preprocess.grayscale else channels) * 4
    if size > LARGE_BYTES:
        raise UsageError("There is no script for a set this large: it is visited piece by piece.")
    if len(history) and history.steps[0] != 1:
        raise UsageError("There is no script for a run that goes on from another.")
    values = {
        **spec.model_dump(),
        **preprocess.model_dump(),
        "path": source.path,
        "dataset": source.dataset,
        "layout": source.layout,
        "image_shape": source.shape,
        "top": 255.0 if source.value_range == "0..255" else 1.0,
    }
    # A run that was ended early, or changed under way, is repeated like that.
    values["steps"] = len(history) or info.steps_per_epoch * spec.epochs
    live = {parameter.name for parameter in describe(type(spec)) if parameter.hyper.live}
    values["changes"] = [
        (step, change.name, change.new) for step, change in history.changes if change.name in live
    ]
    settings = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    return _SCRIPT.replace("# SETTINGS", settings)


_SCRIPT = '''"""Repeats a run of Filterscope with NumPy alone (and h5py to read an HDF5 file)."""

import numpy as np

# SETTINGS


def sigmoid(a):
    e = np.exp(-np.abs(a))
    return np.where(a >= 0, 1 / (1 + e), e / (1 + e)).astype(a.dtype)


def read():
    if path.endswith((".npy", ".npz")):
        data = np.load(path, allow_pickle=False)
        data = data if path.endswith(".npy") else data[dataset.strip("/")]
    else:
        import h5py

        with h5py.File(path, "r") as file:
            data = file[dataset][:]
    axes = layout
    if "D" in layout.upper():  # rows of numbers, row by row (D) or column by column (d)
        data = (data if layout[0] == "N" else data.T).reshape(-1, *image_shape)
        axes = "NCHW" if "D" in layout else "NCWH"
    elif "C" not in layout:
        data, axes = data[None], "C" + layout
    data = data.transpose([axes.index(axis) for axis in "NCHW"])
    return data.astype(np.float32) / np.float32(top)


def prepare(images):
    if grayscale and images.shape[1] == 3:
        images = np.tensordot(images, np.array([0.2126, 0.7152, 0.0722], np.float32), axes=([1], [0]))
    rows = images.reshape(len(images), -1)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if remove_mean:
        rows = rows - rows.mean(axis=1, keepdims=True)
    wide = rows.astype(np.float64)
    deviation, largest = wide.std(), np.abs(wide).max()
    if whiten != "none":
        mean, covariance = wide.mean(axis=0), np.cov(wide.T, bias=True)
        if whiten == "computed":
            variances, vectors = np.linalg.eigh(covariance)
            zca = (vectors / np.sqrt(np.maximum(variances, 0) + epsilon)) @ vectors.T
        else:
            import h5py

            with h5py.File(path, "r") as file:
                zca = file[dataset.rpartition("/")[0] + "/xForm"][:]
        wide = (wide - mean) @ zca
        deviation = np.sqrt(np.trace(zca.T @ covariance @ zca) / wide.shape[1])
        largest = 6 * deviation
    if clip:
        wide = np.clip(wide, -deviations * deviation, deviations * deviation)
    if rescale:
        bound = deviations * deviation if clip else largest
        wide = np.clip(wide, -bound, bound) / bound * 0.4 + 0.5
    return wide.astype(np.float32)


def gradient(W1, b1, W2, b2, x):
    n = len(x)
    h = sigmoid(x @ W1 + b1)
    o = h @ W2 + b2
    if decoder == "sigmoid":
        o = sigmoid(o)
    mean = np.clip(h.mean(axis=0, dtype=np.float64), 1e-8, 1 - 1e-8)
    kl = rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean))
    cost = np.square(o - x, dtype=np.float64).sum() / (2 * n) + beta * kl.sum()
    cost += lam / 2 * sum(np.square(w, dtype=np.float64).sum() for w in (W1, W2))
    delta2 = (o - x) / n
    if decoder == "sigmoid":
        delta2 = delta2 * o * (1 - o)
    pull = (beta / n * ((1 - rho) / (1 - mean) - rho / mean)).astype(x.dtype)
    delta1 = (delta2 @ W2.T + pull) * h * (1 - h)
    return cost, (x.T @ delta1 + lam * W1, delta1.sum(axis=0), h.T @ delta2 + lam * W2, delta2.sum(axis=0))


x = prepare(read())
x = x[: len(x) - held_out].astype(precision)
D, L = x.shape[1], hidden_units
w0 = np.sqrt(6 / (D + L))
rng = np.random.default_rng([seed, 1])
weights = [rng.uniform(-w0, w0, shape).astype(precision) for shape in ((D, L), (L,), (L, D), (D,))]
first = [np.zeros_like(w) for w in weights]
second = [np.zeros_like(w) for w in weights]
costs, per_epoch = [], -(-len(x) // batch_size)
for step in range(1, steps + 1):
    epoch, batch = divmod(step - 1, per_epoch)
    if batch == 0:
        order = np.random.default_rng([seed, 2, epoch]).permutation(len(x))
    for done, name, value in changes:
        if done == step - 1:
            globals()[name] = value
    cost, slopes = gradient(*weights, x[order[batch * batch_size : (batch + 1) * batch_size]])
    costs.append(cost)
    for w, g, m, v in zip(weights, slopes, first, second):
        if solver == "sgd":
            w -= learning_rate * g
        elif solver in ("momentum", "nesterov"):
            m[...] = momentum * m - learning_rate * g
            w += m if solver == "momentum" else momentum * m - learning_rate * g
        else:
            m[...] = 0.9 * m + 0.1 * g
            v[...] = 0.999 * v + 0.001 * g * g
            w -= learning_rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    if batch == per_epoch - 1:
        print(f"epoch {epoch + 1}  J {np.mean(costs[-per_epoch:]):.6g}")
np.savez("weights.npz", W1=weights[0], b1=weights[1], W2=weights[2], b2=weights[3], costs=costs)
'''
