"""Processes come together, or say why not; GPUs only where every process has its own."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import threading

import numpy as np
import psutil
import pytest

from app.core.devices import Device
from app.core.distributed import Group, Place
from app.core.distributed import group as grouping
from app.core.distributed.watch import Member, life
from app.core.errors import FilterscopeError, UsageError
from tests.core.distributed.rank import free_port

torch = pytest.importorskip("torch")

CPU = Device("cpu", "CPU", 1 << 30, 1 << 30)


def place(rank, size, port, **more):
    return Place(rank, size, rank, size, "127.0.0.1", port, **{"opens_store": True, **more})


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """What a group sets for the libraries below torch goes with the test."""
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)


def test_nobody_at_the_meeting_place_is_one_sentence(monkeypatch):
    monkeypatch.setattr(grouping, "JOIN_SECONDS", 0.5)
    port = free_port()
    with pytest.raises(FilterscopeError) as failed:
        Group.join(place(1, 2, port), leave=pytest.fail)
    assert failed.value.message == (
        f"Rank 1 cannot reach the others: nobody answered at 127.0.0.1:{port} for 0.5 seconds."
    )
    assert "--master-addr" in failed.value.hint


def test_who_does_not_come_is_named(monkeypatch):
    monkeypatch.setattr(grouping, "JOIN_SECONDS", 0.5)
    with pytest.raises(FilterscopeError) as failed:
        Group.join(place(0, 3, free_port()), device="cpu", leave=pytest.fail)
    assert failed.value.message == (
        "Only some of 3 processes came within 0.5 seconds: rank 1 did not."
    )


def test_a_place_that_is_taken_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FilterscopeError, match=f"cannot listen at 127.0.0.1:{port}: Address"):
            Group.join(place(0, 2, port), leave=pytest.fail)


def listening():
    """Return the addresses that this process listens at."""
    found = psutil.Process().net_connections("inet")
    return {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}


def test_a_group_of_one_listens_on_this_host_alone():
    group = Group.join(place(0, 1, free_port()), device="cpu", leave=pytest.fail)
    try:
        assert (group.size, group.hosts, group.sentence) == (1, 1, "1 process on 1 host")
        assert group.speaks
        assert listening() <= {"127.0.0.1"}
        assert os.environ["GLOO_SOCKET_IFNAME"] in psutil.net_if_addrs()
        tensor = torch.tensor([2.0, 3.0], dtype=torch.float64)
        group.add(tensor)
        assert tensor.tolist() == [2.0, 3.0]
        assert group.bytes_of_first(b"abc\0") == b"abc\0"
        group.check_same({"settings": "1"})
    finally:
        group.close()
        group.close()
    assert not torch.distributed.is_initialized()
    assert not [thread for thread in threading.enumerate() if thread.name in ("beat", "guard")]


class Meeting:
    """A store where the other processes have been already."""

    def __init__(self, *kinds, same=None):
        self.values = {}
        for rank, kind in enumerate(kinds):
            me = {**dataclasses.asdict(Member.here(rank)), "home": f"{rank}", "device": kind}
            self.values[f"who/{rank}"] = json.dumps(me)
            self.values[f"same/{rank}"] = json.dumps(same or {})
            self.values[life(rank)] = json.dumps({"beat": 1, "end": ""})

    def set(self, key, value):
        self.values[key] = value

    def check(self, keys):
        return all(key in self.values for key in keys)

    def multi_get(self, keys):
        return [self.values[key].encode() for key in keys]

    def clone(self):
        return self


@pytest.fixture
def joined(monkeypatch):
    """Return a function that joins a group of fakes: its devices, and with which backend."""
    groups, backends, current = [], [], []

    def join(*kinds, wanted="auto", found=(), rank=0, same=None):
        meeting = Meeting(*kinds, same=same)
        monkeypatch.setattr(grouping, "_meet", lambda place: meeting)
        monkeypatch.setattr(grouping, "find_devices", lambda *, number: (*found, CPU))
        monkeypatch.setattr(torch.cuda, "set_device", current.append)
        monkeypatch.setattr(
            torch.distributed, "init_process_group", lambda backend, **_: backends.append(backend)
        )
        groups.append(
            Group.join(place(rank, len(kinds), 1), device=wanted, leave=lambda problem: None)
        )
        return groups[-1], backends[-1], current

    yield join
    for group in groups:
        group.close()


def gpu(number, problem=""):
    return Device(f"cuda:{number}", "H9", problem=problem)


def test_with_a_gpu_for_each_nccl_adds_gradients(joined):
    group, backend, current = joined("cuda", "cuda", found=[gpu(1)], rank=1)
    assert (group.device.name, group.notes) == ("cuda:1", [])
    # What is agreed on in host memory goes by Gloo still.
    assert backend == "cpu:gloo,cuda:nccl"
    assert current == ["cuda:1"]
    assert group.hosts == 2


@pytest.mark.parametrize(
    ("kinds", "wanted", "found", "note"),
    [
        (
            ("cuda", "cpu"),
            "auto",
            [gpu(0)],
            "rank 1 has no GPU of its own; all compute on CPUs",
        ),
        (("cpu", "cpu"), "cuda", [gpu(0, "too old")], "H9 cannot be used: too old"),
        (("cpu", "cpu"), "cuda", [], "PyTorch finds no CUDA device of its own for each process"),
        (("cpu", "cpu"), "mps", [], "processes share CPUs or CUDA devices"),
        (("cpu", "cpu"), "auto", [], ""),
        (("cpu", "cpu"), "cpu", [gpu(0)], ""),
    ],
)
def test_else_all_compute_on_cpus_and_it_is_said(joined, kinds, wanted, found, note):
    group, backend, current = joined(*kinds, wanted=wanted, found=found)
    assert group.device == CPU
    assert backend == "cpu:gloo"
    assert not current
    assert group.notes == ([note] if note else [])


def test_what_is_not_the_same_everywhere_is_named(joined):
    group, _, _ = joined("cpu", "cpu", same={"images": "1", "settings": "2"})
    group.check_same({"images": "1", "settings": "2"})
    with pytest.raises(UsageError, match="Rank 1 has other settings than rank 0"):
        group.check_same({"images": "1", "settings": "3"})


def test_a_connection_that_breaks_is_one_sentence_and_a_device_that_breaks_is_not_mistaken(
    joined, monkeypatch
):
    monkeypatch.setattr(grouping, "REASON_SECONDS", 0.01)
    group, _, _ = joined("cpu", "cpu")

    def broken(said):
        def all_reduce(tensor):
            raise RuntimeError(said)

        monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)

    broken("Connection closed by peer [10.0.0.2]:4711\nat somewhere.cc")
    with pytest.raises(FilterscopeError) as failed:
        group.add_array(np.zeros(2))
    assert failed.value.message == (
        "The processes lost each other: Connection closed by peer [10.0.0.2]:4711"
    )
    broken("NCCL Error 6: remote process exited or there was a network error")
    with pytest.raises(FilterscopeError, match="lost each other: NCCL"):
        group.add_array(np.zeros(2))
    # The learner has words of its own for this one.
    broken("CUDA error: an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal"):
        group.add_array(np.zeros(2))


def test_a_torch_without_it_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
    with pytest.raises(FilterscopeError, match="cannot share work"):
        Group.join(place(0, 1, 1), leave=pytest.fail)
