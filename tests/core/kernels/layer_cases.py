"""Random layers for property tests, and torch's answer to each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

# How far from torch an answer may be, relative to the largest number in it.
BOUNDS = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 2e-5}


def torch():
    """Return torch, or skip the test."""
    return pytest.importorskip("torch", reason="torch is not installed")


def apart(a, b):
    """Return the largest difference, in units of the largest number."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape
    return np.abs(a - b).max(initial=0) / max(np.abs(b).max(initial=0), 1e-30)


def close(a, b, dtype):
    """Whether an array is of that type, and torch's tensor up to rounding."""
    assert a.dtype == dtype
    return apart(a, b.detach().numpy()) < BOUNDS[np.dtype(dtype)]


dtypes = st.sampled_from([np.float32, np.float64])


@st.composite
def conv_cases(draw):
    """Draw x, w, b, dout and conv_param that fit; small, oblong, with a remainder or without."""
    n, c, f = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    window = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    pad = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    size = tuple(draw(st.integers(max(1, window[i] - 2 * pad[i]), window[i] + 6)) for i in (0, 1))
    dtype = draw(dtypes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, w = rng.standard_normal((n, c, *size)), rng.standard_normal((f, c, *window))
    places = tuple((size[i] + 2 * pad[i] - window[i]) // stride[i] + 1 for i in (0, 1))
    dout, b = rng.standard_normal((n, f, *places)), rng.standard_normal(f)
    conv_param = {"stride": stride, "pad": pad}
    if draw(st.booleans()):
        conv_param = {
            "stride": stride[0] if stride[0] == stride[1] else stride,
            "pad": pad[0] if pad[0] == pad[1] else pad,
        }
    return *(a.astype(dtype) for a in (x, w, b, dout)), conv_param


@st.composite
def pool_cases(draw, *, ties=False):
    """Draw x, dout and pool_param that fit; windows may overlap or leave gaps."""
    n, c = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    window = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    size = tuple(draw(st.integers(window[i], window[i] + 7)) for i in (0, 1))
    dtype = draw(dtypes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (n, c, *size)
    x = rng.integers(0, 3, shape) if ties else rng.standard_normal(shape)
    places = tuple((size[i] - window[i]) // stride[i] + 1 for i in (0, 1))
    dout = rng.standard_normal((n, c, *places))
    pool_param = {"pool_height": window[0], "pool_width": window[1], "stride": stride}
    return x.astype(dtype), dout.astype(dtype), pool_param
