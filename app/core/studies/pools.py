"""Which pool a study is conducted with."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.errors import UsageError
from app.core.studies.cluster import ClusterAddress, DaskPool
from app.core.studies.local import LocalPool
from app.core.studies.pool import Pool
from app.core.threads import cores

__all__ = ["MOST_WORKERS", "Place", "open_pool"]

MOST_WORKERS = 256


@dataclass(frozen=True)
class Place:
    """Where a study's runs are trained, see `open_pool`."""

    workers: int
    dask: bool = False
    cluster: ClusterAddress | None = None

    def open(self, *, window: bool = False) -> Pool:
        """Return the pool; it may take a while to answer."""
        return open_pool(self.workers, dask=self.dask, cluster=self.cluster, window=window)

    @property
    def opening(self) -> str:
        """What is waited for until the pool is open."""
        if self.cluster is not None:
            return f"connecting to {self.cluster.address} …"
        return "starting Dask …" if self.dask else "starting …"


def open_pool(
    workers: int | None = None,
    *,
    dask: bool = False,
    cluster: ClusterAddress | None = None,
    threads: int | None = None,
    window: bool = False,
) -> Pool:
    """Return a pool; use it as a context.

    Parameters
    ----------
    workers : int, optional
        How many runs are trained at once here; as many as there are cores, less one for a
        window, by default.
    dask : bool
        Whether they are workers of a Dask cluster of our own.
    cluster : ClusterAddress, optional
        One that is there already.
    threads : int, optional
        Threads of each worker.
    window : bool
        Whether one core is left to the window.

    Raises
    ------
    UsageError
        There cannot be so many.
    FilterscopeError
        Dask is not there, or the cluster does not answer.
    """
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise UsageError(f"There can be 1 to {MOST_WORKERS} workers.")
    if threads is not None and not 1 <= threads <= 4096:
        raise UsageError("--threads must be at least 1.")
    wanted = workers or max(1, cores() - window)
    if cluster is not None or dask:
        return DaskPool(wanted, cluster=cluster, threads=threads, window=window)
    return LocalPool(wanted, threads=threads, window=window)
