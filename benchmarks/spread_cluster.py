"""A cluster of Ray with several nodes, all of them on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STORE_BYTES = 100 << 20


class LocalCluster:
    """Nodes as processes of this machine. address: what to connect to."""

    def __init__(self, n_nodes: int, n_cpus: int) -> None:
        from ray.cluster_utils import Cluster

        how: dict[str, Any] = {"num_cpus": n_cpus, "object_store_memory": STORE_BYTES}
        self._cluster = Cluster(
            initialize_head=True, head_node_args={**how, "include_dashboard": False}
        )
        self._nodes = [self._cluster.add_node(**how) for _ in range(n_nodes - 1)]

    @property
    def address(self) -> str:
        """Return HOST:PORT."""
        return str(self._cluster.address)

    def kill_node(self) -> None:
        """Kill a node, with all that runs there; not the first one."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def close(self) -> None:
        """End all of it."""
        self._cluster.shutdown()


@contextmanager
def cluster(n_nodes: int, n_cpus: int) -> Iterator[LocalCluster]:
    """Yield a cluster of so many nodes, each with so many processors, or what it takes for them."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    running = LocalCluster(n_nodes, n_cpus)
    try:
        yield running
    finally:
        running.close()
