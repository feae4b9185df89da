"""The processes that train one network together, and what they say to each other."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from numpy.typing import NDArray

from app.core.data.batches import Share
from app.core.devices import Device, find_devices, is_device_error, load_torch
from app.core.distributed.place import Place
from app.core.distributed.watch import HINT, Member, Watch, life
from app.core.errors import FilterscopeError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Group"]

# So long the processes wait for each other at the start.
JOIN_SECONDS = 45.0
# Longer than any validation: that somebody is gone is the watch's to find, much sooner.
LONGEST_WAIT = datetime.timedelta(hours=12)
# After a connection broke, so long it may take to know why.
REASON_SECONDS = 8.0


class Group:
    """The processes that train one network together; see `join`.

    Attributes
    ----------
    rank, size, hosts : int
        This process's number from 0, how many there are, and on how many hosts.
    device : Device
        Where this process computes: all on GPUs, or all on CPUs.
    notes : list of str
        Why it is not what was wanted.
    on_stop : callable or None
        Called, in every process between the same two steps, when one was asked to stop.
    """

    def __init__(
        self, place: Place, store: Any, watch: Watch, device: Device, notes: list[str], hosts: int
    ) -> None:
        self.place, self.rank, self.size = place, place.rank, place.size
        self.device, self.notes, self.hosts = device, notes, hosts
        self.on_stop: Callable[[], None] | None = None
        self._store, self._watch = store, watch
        self._asked_to_stop = False
        self._closed = False

    @classmethod
    def join(
        cls,
        place: Place,
        *,
        device: str = "auto",
        leave: Callable[[FilterscopeError], None],
    ) -> Group:
        """Meet the other processes; all call this.

        Parameters
        ----------
        place : Place
        device : {"auto", "cpu", "cuda", "mps"}
            Where to compute: a GPU for each process, by NCCL, where every one has its own; else all
            on CPUs, by Gloo.
        leave : callable
            See `Watch`.

        Raises
        ------
        FilterscopeError
            They do not come together in time.
        """
        torch = load_torch()
        if not torch.distributed.is_available():
            raise FilterscopeError(
                "This PyTorch cannot share work among processes.", "Train with one process."
            )
        if place.on_one_host:
            _keep_inside()
        store = _meet(place)
        mine, cpu, note = _own_device(place, device)
        # Before it says who it is, so that who knows all can read all.
        store.set(life(place.rank), json.dumps({"beat": 0, "end": None}))
        me = {**dataclasses.asdict(Member.here(place.rank)), "device": mine.kind}
        said = _exchange(store, place, "who", me, seconds=JOIN_SECONDS)
        lacking = [one["rank"] for one in said if one.pop("device") != "cuda"]
        members = [Member(**one) for one in said]
        notes = [note] if note else []
        if lacking and mine.kind == "cuda":
            mine = cpu
            notes.append(f"rank {lacking[0]} has no GPU of its own; all compute on CPUs")
        watch = Watch(store.clone(), place.rank, members, leave)
        watch.start()
        group = cls(place, store, watch, mine, notes, len({member.home for member in members}))
        backend = "cpu:gloo"
        if mine.kind == "cuda":
            torch.cuda.set_device(mine.name)
            backend = "cpu:gloo,cuda:nccl"
        try:
            with group.heard():
                torch.distributed.init_process_group(
                    backend,
                    store=store,
                    rank=place.rank,
                    world_size=place.size,
                    timeout=LONGEST_WAIT,
                )
        except FilterscopeError as error:
            group.close(error.message)
            raise
        return group

    # --- what there is

    @property
    def sentence(self) -> str:
        """How many there are, for people."""
        where = "1 host" if self.hosts == 1 else f"{self.hosts} hosts"
        return f"{self.size} process{'es' if self.size > 1 else ''} on {where}"

    @property
    def speaks(self) -> bool:
        """Whether this process is the one that tells people: rank 0, or the first that is left."""
        return self._watch.speaks

    def share(self, whole: int) -> Share:
        """Return what this process takes of so many rows."""
        return Share.of(self.rank, self.size, whole)

    # --- what all call together

    def add(self, tensor: Tensor) -> None:
        """Replace a tensor, in place, by the sum of all processes' tensors.

        Raises
        ------
        FilterscopeError
            One of them is gone, with the reason where there is one.
        """
        import torch.distributed as dist

        with self.heard():
            dist.all_reduce(tensor)

    def add_array(self, array: NDArray[Any]) -> None:
        """Replace an array, in place, by the sum of all processes' arrays."""
        import torch

        if array.size:
            self.add(torch.from_numpy(array))

    def take_from_first(self, tensor: Tensor) -> None:
        """Replace a tensor, in place, by rank 0's."""
        import torch.distributed as dist

        if tensor.numel():
            with self.heard():
                dist.broadcast(tensor, 0)

    def bytes_of_first(self, data: bytes = b"") -> bytes:
        """Return the bytes that rank 0 passed."""
        import torch

        length = torch.tensor([len(data)])
        self.take_from_first(length)
        parcel = torch.zeros(int(length), dtype=torch.uint8)
        if self.rank == 0:
            parcel = torch.from_numpy(np.frombuffer(data, np.uint8).copy())
        self.take_from_first(parcel)
        return parcel.numpy().tobytes()

    def check_same(self, what: Mapping[str, str]) -> None:
        """Raise `UsageError`, everywhere, unless each process says the same of each thing."""
        said = _exchange(self._store, self.place, "same", dict(what), problem=self._watch.problem)
        for name in what:
            for rank, one in enumerate(said):
                if one.get(name) != said[0].get(name):
                    raise UsageError(
                        f"Rank {rank} has other {name} than rank 0.",
                        "Give the same command, program and data to every host.",
                    )

    # --- stopping

    def ask_to_stop(self, *_: object) -> None:
        """Ask all to stop between two steps; callable in a signal handler."""
        self._asked_to_stop = True

    @property
    def asking(self) -> float:
        """1 when this process was asked to stop: its part of a sum of all."""
        return float(self._asked_to_stop)

    def heed(self, asking: float) -> None:
        """Stop when the sum of what all ask for says so."""
        if asking > 0 and self.on_stop is not None:
            self.on_stop()

    def agree(self) -> None:
        """Let all stop here when one was asked to."""
        asking = np.array([self.asking])
        self.add_array(asking)
        self.heed(float(asking[0]))

    # --- the end

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Say of a connection that breaks who is gone, and why.

        NCCL adds while others compute: what it meets is told where its sum is waited for.
        """
        try:
            yield
        except RuntimeError as error:
            if is_device_error(error) and "NCCL" not in str(error):
                raise
            problem = self._watch.problem(REASON_SECONDS)
            if problem is None:
                said = str(error).strip().splitlines()[0][:200]
                problem = FilterscopeError(f"The processes lost each other: {said}", HINT)
            raise problem from None

    def close(self, reason: str = "") -> None:
        """Part from the others: done, or with the reason why not; no error leaves here."""
        import torch.distributed as dist

        if self._closed:
            return
        self._closed = True
        self._watch.close(reason)
        if self.place.opens_store and self.rank == 0:
            self._wait_for_others()
        if not reason and dist.is_initialized():
            with suppress(RuntimeError):
                dist.destroy_process_group()

    def _wait_for_others(self) -> None:
        """Keep the store open until all others have said that they end."""
        until = time.monotonic() + JOIN_SECONDS
        try:
            while not self._watch.everyone_ended() and time.monotonic() < until:
                time.sleep(0.05)
        except RuntimeError:
            return


def _meet(place: Place) -> Any:
    """Return the store of keys where all processes meet."""
    import torch.distributed as dist

    master = place.opens_store and place.rank == 0
    where, hint = (
        f"{place.host}:{place.port}",
        "Look at --master-addr, --master-port and firewalls.",
    )
    listening: int | None = None
    if master:
        # PyTorch would listen on every interface; this listens where the others were told.
        try:
            listening = socket.create_server((place.host, place.port)).detach()
        except OSError as error:
            said = f"Rank 0 cannot listen at {where}: {error.strerror}."
            raise FilterscopeError(said, hint) from None
    unreachable = FilterscopeError(
        f"Rank {place.rank} cannot reach the others: nobody answered at {where} for "
        f"{JOIN_SECONDS:g} seconds.",
        hint,
    )
    if not master and not _answers(place):
        raise unreachable
    try:
        store = dist.TCPStore(  # type: ignore[attr-defined]
            place.host,
            place.port,
            place.size,
            master,
            timeout=datetime.timedelta(seconds=JOIN_SECONDS),
            wait_for_workers=False,
            master_listen_fd=listening,
        )
    except RuntimeError:
        raise unreachable from None
    # Whoever is started anew meets apart from what is left of the attempt before.
    return dist.PrefixStore(f"filterscope/{place.attempt}", store)  # type: ignore[attr-defined]


def _answers(place: Place) -> bool:
    """Return whether somebody listens where the store is to be, waiting for it.

    PyTorch waits as well, but prints its stack when it has waited in vain.
    """
    until = time.monotonic() + JOIN_SECONDS
    while time.monotonic() < until:
        try:
            with socket.create_connection((place.host, place.port), timeout=JOIN_SECONDS):
                return True
        except OSError:
            time.sleep(0.1)
    return False


def _exchange(
    store: Any,
    place: Place,
    topic: str,
    mine: Mapping[str, Any],
    *,
    seconds: float = np.inf,
    problem: Callable[[], FilterscopeError | None] = lambda: None,
) -> list[dict[str, Any]]:
    """Return what each process says on a topic, by rank."""
    until = time.monotonic() + seconds
    missing = f"Only some of {place.size} processes came within {seconds:g} seconds"
    try:
        store.set(f"{topic}/{place.rank}", json.dumps(mine))
        keys = [f"{topic}/{rank}" for rank in range(place.size)]
        for rank, key in enumerate(keys):
            while not store.check([key]):
                found = problem()
                if found is None and time.monotonic() > until:
                    found = FilterscopeError(
                        f"{missing}: rank {rank} did not.", "Start torchrun on every host."
                    )
                if found is not None:
                    raise found
                time.sleep(0.02)
        return [json.loads(value) for value in store.multi_get(keys)]
    except RuntimeError as error:
        said = str(error).strip().splitlines()[0][:200]
        raise problem() or FilterscopeError(
            f"The processes lost each other: {said}", HINT
        ) from None


def _own_device(place: Place, wanted: str) -> tuple[Device, Device, str]:
    """Return where this process would compute, this host's CPU, and a note."""
    if wanted not in ("auto", "cuda"):
        note = "processes share CPUs or CUDA devices" if wanted == "mps" else ""
        cpu = find_devices(number=-1)[-1]
        return cpu, cpu, note
    *found, cpu = find_devices(number=place.local_rank)
    for device in found:
        if device.kind == "cuda" and not device.problem:
            return device, cpu, ""
        if device.kind == "cuda":
            return cpu, cpu, f"{device.title} cannot be used: {device.problem}"
    note = "PyTorch finds no CUDA device of its own for each process" if wanted == "cuda" else ""
    return cpu, cpu, note


def _keep_inside() -> None:
    """Let the processes of one host talk on the loopback interface alone."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.address == "127.0.0.1" for one in addresses):
            for library in ("GLOO", "NCCL"):
                os.environ.setdefault(f"{library}_SOCKET_IFNAME", name)
            return
