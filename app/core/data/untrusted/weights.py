"""Weights that somebody brings: safetensors, torch's state_dict, ``.npz``.

A state_dict is a pickle inside an archive. The archive is judged first, by its directory alone;
then torch reads it with ``weights_only=True``, which knows tensors and no other names. What comes
out is looked at again: a tensor may say that it is larger than the file it came from.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import safetensors

from app.core.data.untrusted.arrays import NpzFile
from app.core.data.untrusted.guard import Refused, readable

__all__ = ["prepare_torch", "read_weights", "starts_as_archive"]

ARCHIVE = b"PK\x03\x04"
MOST_ARRAYS = 4_000
MOST_NAME = 200
MOST_PICKLE = 4 << 20
# Before it, a state_dict could write beyond its memory while it was read.
OLDEST_TORCH = (2, 10)
# Where training programs put the weights in a checkpoint.
KNOWN_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
SAFETENSORS = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
INTEGERS = ("I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL")

CHECKPOINT = ("theta", "running")

# Name, numbers, and what is to be said of them.
Found = tuple[str, np.ndarray[Any, Any]]


def prepare_torch() -> Any:
    """Return torch with all loaded that reading needs: later nothing else can be opened.

    Raises
    ------
    Refused
        There is none, or one that reads weights unsafely.
    """
    try:
        import torch
    except Exception:
        raise Refused(
            "it is a file of PyTorch, which is not installed here; .npz and safetensors need none"
        ) from None
    numbers = re.match(r"(\d+)\.(\d+)", str(torch.__version__))
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST_TORCH:
        raise Refused(
            f"PyTorch {readable(str(torch.__version__))} reads weights unsafely: 2.10 is needed"
        )
    torch.set_num_threads(1)
    # What is done with the file is done once before: torch opens more when it is first asked.
    out = io.BytesIO()
    torch.save({"a": torch.zeros(2, 2).t(), "b": torch.zeros(2, dtype=torch.bfloat16)}, out)
    out.seek(0)
    for tensor in torch.load(out, weights_only=True, map_location="cpu").values():
        tensor.to(torch.float16).to(torch.float32).contiguous().numpy()
    return torch


def starts_as_archive(file: IO[bytes]) -> bool:
    """Return whether a file may be a state_dict, for which torch must be there first."""
    start = file.read(len(ARCHIVE))
    file.seek(0)
    return start == ARCHIVE


def read_weights(file: IO[bytes], size: int, torch: Any = None) -> Iterator[Found]:
    """Return the arrays of an open file, contiguous; numbers of 16 bits come as float32.

    What the file is, is judged at once; its numbers are read when they are asked for.

    Parameters
    ----------
    torch : module, optional
        What `prepare_torch` returned; without it a state_dict is refused.

    Raises
    ------
    Refused
        It is none, or made to harm.
    """
    start = file.read(16)
    file.seek(0)
    if start.startswith(ARCHIVE):
        # The directories of archives are read now, while more can still be opened.
        if not _is_state_dict(file):
            return _npz(NpzFile(file, size))
        _judge(file, size)
        return _state_dict(file, size, torch)
    if _is_safetensors(start, size):
        return _safetensors(file)
    if start.startswith(b"\x80") or start.startswith(b"("):
        raise Refused(
            "it is a bare pickle, which could run code; save the state_dict with torch.save of "
            "PyTorch 1.6 or newer, or as safetensors"
        )
    raise Refused("it is no safetensors, state_dict or .npz file")


def _is_state_dict(file: IO[bytes]) -> bool:
    """Return whether an archive has what torch.save writes."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except MemoryError:
        raise
    except Exception:
        raise Refused("it is damaged or not an archive") from None


def _is_safetensors(start: bytes, size: int) -> bool:
    length = int.from_bytes(start[:8], "little")
    return start[8:9] == b"{" and 2 <= length <= size - 8


def _safetensors(file: IO[bytes]) -> Iterator[Found]:
    try:
        arrays = safetensors.deserialize(file.read())  # type: ignore[no-untyped-call]
    except MemoryError:
        raise
    except Exception:
        # The library has exceptions of its own for every way a file can be wrong.
        raise Refused("it is damaged: its header does not match its numbers") from None
    _count(len(arrays))
    if any(name == "theta" for name, _ in arrays):
        # A checkpoint of this program: what else it knows is for whoever goes on with its run.
        arrays = [(name, one) for name, one in arrays if name in CHECKPOINT and one["data"]]
    for name, found in arrays:
        kind, shape = found["dtype"], tuple(found["shape"])
        if kind == "BF16":
            # The upper half of a float32.
            halves = np.frombuffer(found["data"], "<u2").astype(np.uint32) << 16
            array = halves.view(np.float32)
        elif kind in SAFETENSORS:
            array = np.frombuffer(found["data"], SAFETENSORS[kind])
        elif kind in INTEGERS:
            raise Refused(f"{_name(name)} holds whole numbers ({kind}), and weights are none")
        else:
            raise Refused(f"{_name(name)} holds numbers of the unexpected type {readable(kind)}")
        yield _name(name), _plain(array.reshape(shape))


def _npz(source: NpzFile) -> Iterator[Found]:
    for name, array, refused in source.list_arrays():
        if array is None:
            raise Refused(f"{_name(name)}: {refused}")
        if array.dtype.kind != "f":
            raise Refused(
                f"{_name(name)} holds whole numbers ({array.dtype}), and weights are none"
            )
        whole = np.concatenate(list(source.blocks(name, [(0, array.shape[0])])))
        yield _name(name), _plain(whole.T if array.fortran else whole)


def _judge(file: IO[bytes], size: int) -> None:
    """Refuse an archive that torch.save did not write, before anything in it is read."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    _count(len(members))
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise Refused("two of its members have the same name")
    folder = names[0].partition("/")[0]
    for member in members:
        inside = member.filename.partition("/")
        if inside[0] != folder or ".." in member.filename or "\\" in member.filename:
            raise Refused("a member of it lies elsewhere than the others")
        if inside[2] == "constants.pkl" or inside[2].startswith("code/"):
            raise Refused("it is TorchScript, which is a program; save the state_dict instead")
        # torch packs nothing: what is packed here could unpack to more than the file.
        if member.flag_bits & 1 or member.compress_type != zipfile.ZIP_STORED:
            raise Refused("a member of it is packed or encrypted, which torch.save never does")
        if member.file_size != member.compress_size or member.file_size > size:
            raise Refused("a member of it says that it is larger than the file")
        if inside[2] == "data.pkl" and member.file_size > MOST_PICKLE:
            raise Refused("its list of tensors is too long")
    if sum(member.file_size for member in members) > size:
        raise Refused("its members are larger than the file")


def _state_dict(file: IO[bytes], size: int, torch: Any) -> Iterator[Found]:
    if torch is None:
        raise Refused("it is a state_dict of PyTorch under a name that ends in .npz")
    file.seek(0)
    try:
        loaded = torch.load(file, weights_only=True, map_location="cpu")
    except MemoryError:
        raise
    except Exception as error:
        asked = re.search(r"GLOBAL ([\w.]+) was not an allowed global", str(error))
        if asked is not None:
            raise Refused(
                f"it asks for {asked[1][:60]}, which is no tensor and could run code"
            ) from None
        raise Refused("it is damaged, or holds more than tensors") from None
    # Weights that two layers share are told twice.
    left = 4 * size
    for name, tensor in _tensors(loaded, torch).items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex():
            raise Refused(f"{_name(name)} is no plain tensor")
        # A view may claim more than there is, by looking at the same numbers again.
        claimed = tensor.numel() * tensor.element_size()
        left -= claimed
        if left < 0 or claimed > tensor.untyped_storage().nbytes():
            raise Refused(f"{_name(name)} says that it is larger than the file")
        if not tensor.is_floating_point():
            if str(name).endswith("num_batches_tracked"):
                continue
            kind = str(tensor.dtype).removeprefix("torch.")
            raise Refused(f"{_name(name)} holds whole numbers ({kind}), and weights are none")
        if tensor.dtype not in (torch.float32, torch.float64):
            tensor = tensor.to(torch.float32)
        yield _name(name), _plain(tensor.detach().contiguous().numpy())


def _tensors(loaded: Any, torch: Any) -> dict[Any, Any]:
    """Return names and tensors: of a state_dict, or of the one that a checkpoint holds."""
    if isinstance(loaded, torch.Tensor):
        raise Refused("it holds one tensor without a name")
    if not isinstance(loaded, dict):
        raise Refused(f"it holds a {type(loaded).__name__}, and no tensors by name")
    if _all_tensors(loaded, torch):
        return loaded
    inside = [key for key in KNOWN_KEYS if _all_tensors(loaded.get(key), torch)]
    if len(inside) == 1:
        found: dict[Any, Any] = loaded[inside[0]]
        return found
    if inside:
        raise Refused(f"it is a checkpoint with several sets of weights: {', '.join(inside)}")
    keys = ", ".join(_name(key) for key in list(loaded)[:5])
    raise Refused(
        f"it is a dictionary of {keys or 'nothing'}, and no state_dict; one under the name "
        "state_dict or model would be taken"
    )


def _all_tensors(one: Any, torch: Any) -> bool:
    if not isinstance(one, dict) or not one:
        return False
    return all(isinstance(value, torch.Tensor) for value in one.values())


def _count(count: int) -> None:
    if count > MOST_ARRAYS:
        raise Refused(f"it has {count:,} members, more than {MOST_ARRAYS:,}")


def _name(name: Any) -> str:
    text = name if isinstance(name, str) else ""
    if not text or len(text) > MOST_NAME or not text.isprintable():
        raise Refused("the name of a tensor is too long or no plain text")
    return text


def _plain(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return contiguous float32 or float64 in this machine's order."""
    if not array.size:
        raise Refused("an array of it is empty")
    wide = np.float64 if array.dtype.itemsize == 8 else np.float32
    return np.ascontiguousarray(array, wide)
