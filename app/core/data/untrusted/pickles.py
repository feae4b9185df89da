"""Pickles of CIFAR-10, read without letting them make anything.

A pickle is a program. Of the names it may ask for, only the four that an array of numbers needs
are known, and none of them is the real thing: each is a stand-in that writes down what it was
given. So no code of the pickle's choice runs, NumPy sees nothing but plain bytes, and nothing is
allocated that the file does not itself contain.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.untrusted.guard import Refused

__all__ = ["read_pickle"]

WIDTHS = {"u1": 1, "i1": 1, "u2": 2, "i2": 2, "u4": 4, "i4": 4, "u8": 8, "i8": 8}


class _StandIn:
    """What a name in a pickle means here; a pickle that tries to alter one is damaged."""

    def __setstate__(self, state: Any) -> None:
        raise Refused("it alters what it has no business with")


class _Type(_StandIn):
    """What stands for `numpy.dtype`: a name and an order of bytes."""

    def __init__(self, name: Any, *_: Any) -> None:
        text = name.decode("latin-1") if isinstance(name, bytes) else name
        if not isinstance(text, str) or text.lstrip("|<>=") not in WIDTHS:
            raise Refused("it holds numbers of an unexpected type")
        self.name = text.lstrip("|<>=")
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2:
            raise Refused("a type in it is damaged")
        order = state[1].decode("latin-1") if isinstance(state[1], bytes) else state[1]
        if order not in ("|", "<", ">"):
            raise Refused("a type in it is damaged")
        self.order = ">" if order == ">" else "<"


class _ArrayClass(_StandIn):
    """What stands for `numpy.ndarray`, which is named but never called."""

    def __init__(self, *_: Any) -> None:
        raise Refused("it asks for an array in a way that no data set does")


class _Array(_StandIn):
    """What stands for NumPy's `_reconstruct`: an empty array, to be filled by its state.

    The state becomes numbers only when it was found to be sound.
    """

    def __init__(self, kind: Any, *_: Any) -> None:
        if kind is not _ArrayClass:
            raise Refused("it asks for something that is no array")
        self.values: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise Refused("an array in it is damaged")
        _, shape, kind, fortran, data = state
        if not isinstance(kind, _Type) or not isinstance(data, bytes | bytearray):
            raise Refused("an array in it does not hold plain numbers")
        if not isinstance(shape, tuple) or not 1 <= len(shape) <= 4:
            raise Refused("an array in it is damaged")
        needed = WIDTHS[kind.name]
        for length in shape:
            if type(length) is not int or length < 0:
                raise Refused("an array in it is damaged")
            needed *= length
        if needed != len(data):
            raise Refused(f"an array in it has {len(data):,} bytes where {needed:.6g} are needed")
        values = np.frombuffer(data, np.dtype(kind.order + kind.name))
        self.values = values.reshape(shape, order="F" if fortran is True else "C")


class _Encoded(_StandIn):
    """What stands for `_codecs.encode`, which is how protocol 2 writes bytes."""

    def __new__(cls, text: Any, encoding: Any = None) -> Any:
        """Return bytes."""
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise Refused("it encodes text in a way that no data set does")
        return text.encode("latin-1")


KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _ArrayClass,
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _Encoded,
}


class _Reader(pickle.Unpickler):
    """An unpickler that knows the names of an array of numbers, and no other."""

    def find_class(self, module: str, name: str) -> Any:
        found = KNOWN.get((module, name))
        if found is None:
            raise Refused(
                f"it asks for {module[:60]}.{name[:60]}: a pickle that does could run code"
            )
        return found

    def persistent_load(self, pid: Any) -> Any:
        raise Refused("it refers to something outside itself")


def read_pickle(data: bytes) -> dict[str, Any]:
    """Return the dictionary of a pickle, its arrays as NumPy's, its keys as text.

    Raises
    ------
    Refused
        It asks for anything but numbers, texts and lists of them, or is damaged.
    """
    try:
        found = _Reader(io.BytesIO(data), encoding="bytes").load()
    except (Refused, MemoryError):
        raise
    except (EOFError, pickle.UnpicklingError):
        raise Refused("the pickle is cut short or damaged") from None
    except Exception:
        # Whatever a pickle can make the unpickler raise, it is the pickle that is wrong.
        raise Refused("the pickle is damaged") from None
    if type(found) is not dict:
        raise Refused("its pickle holds no dictionary")
    record: dict[str, Any] = {}
    for key, value in found.items():
        text = key.decode("latin-1") if type(key) is bytes else key
        if type(text) is not str or text in record:
            raise Refused("a key of its dictionary is no text, or comes twice")
        record[text] = value.values if type(value) is _Array else value
    return record
