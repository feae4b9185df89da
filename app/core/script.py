"""A plain NumPy script that repeats a run without this program."""

from __future__ import annotations

from app.core.errors import UsageError
from app.core.runs import RunInfo

__all__ = ["repeat_script"]


def repeat_script(info: RunInfo) -> str:
    """Return a script that trains the same network on the same data, in the same order.

    It reads the file with h5py or NumPy, preprocesses and trains in NumPy alone, and gives
    the same curve within rounding.

    Raises
    ------
    UsageError
        The run used L-BFGS or photographs, for which there is no short script.
    """
    spec, source = info.spec, info.source
    if spec.solver == "lbfgs":
        raise UsageError("There is no script for L-BFGS runs.", "Export one of a first-order solver.")
    if source.dataset.startswith("cut "):
        raise UsageError("There is no script for patches that were cut from photographs.")
    if source.layout not in ("NCHW", "NHWC", "NHW"):
        raise UsageError(f"There is no script for the layout {source.layout}.")
    values = {
        **spec.model_dump(),
        **info.preprocess.model_dump(),
        "path": source.path,
        "dataset": source.dataset,
        "layout": source.layout,
        "top": 255.0 if source.value_range == "0..255" else 1.0,
    }
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
    if layout == "NHW":
        data = data[:, None]
    if layout == "NHWC":
        data = data.transpose(0, 3, 1, 2)
    return (data / top).astype(np.float32)


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
costs, step = [], 0
for epoch in range(epochs):
    order = np.random.default_rng([seed, 2, epoch]).permutation(len(x))
    for start in range(0, len(x), batch_size):
        cost, slopes = gradient(*weights, x[order[start : start + batch_size]])
        costs.append(cost)
        step += 1
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
    print(f"epoch {epoch + 1}  J {np.mean(costs[-(-(-len(x) // batch_size)) :]):.6g}")
np.savez("weights.npz", W1=weights[0], b1=weights[1], W2=weights[2], b2=weights[3], costs=costs)
'''
