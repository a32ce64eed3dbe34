"""Index a folder on a cluster of two Ray nodes of this machine: ray_nodes.py LIBRARY FOLDER.

On a busy machine one of Ray's processes takes half a minute to start, and Ray gives up on it, in
some places whatever it is told: on a node whose answer is late, and on agents that have to say
which port they chose. So nodes are asked again until they are there, each time for a while only
since an answer may be lost, ports are chosen ahead, and a cluster that did not come up is made
once more. Where none comes up it ends with NO_CLUSTER: then nothing of ours was tried.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

ONE_START, ALL_STARTS = 240.0, 600.0  # seconds
NO_CLUSTER = 3  # how the program ends
PORTS = (
    *("metrics_agent_port", "metrics_export_port"),
    *("dashboard_agent_listen_port", "runtime_env_agent_port"),
)
LIMITS = {  # of Ray's own waiting, which read them when they start
    "RAY_agent_register_timeout_ms": 900_000,
    "RAY_gcs_rpc_server_connect_timeout_s": 900,
    "RAY_gcs_server_request_timeout_seconds": 20,
    "RAY_health_check_failure_threshold": 100,
    "RAY_health_check_initial_delay_ms": 300_000,
    "RAY_health_check_timeout_ms": 300_000,
    "RAY_raylet_client_connect_timeout_milliseconds": 300_000,
    "RAY_worker_register_timeout_seconds": 900,
}
FEW = {"num_cpus": 1, "include_log_monitor": False, "no_monitor": True}


def patient(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Ask again until there is an answer, or far too long."""

    def asked(*arguments: Any, **options: Any) -> Any:
        until = time.monotonic() + ONE_START
        while True:
            try:
                return ask(*arguments, **options)
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    return asked


def free_ports() -> dict[str, int]:
    """One for each of a node's agents."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in PORTS]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return {name: s.getsockname()[1] for name, s in zip(PORTS, sockets, strict=True)}


def two_nodes() -> Any:
    """A cluster whose nodes are both there."""
    from ray.cluster_utils import Cluster

    until = time.monotonic() + ALL_STARTS
    while True:
        cluster = Cluster()
        try:
            cluster.add_node(wait=False, include_dashboard=False, **FEW, **free_ports())
            cluster.add_node(wait=False, **FEW, **free_ports())
            cluster.wait_for_nodes(timeout=ONE_START)
            return cluster
        except Exception:
            cluster.shutdown()
            if time.monotonic() > until:
                raise


def main(home: str, folder: str) -> None:
    warnings.simplefilter("ignore")
    os.environ.update({name: str(limit) for name, limit in LIMITS.items()})
    from ray._private import services

    from lorarium.library import Library

    services.get_node = patient(services.get_node)
    try:
        cluster = two_nodes()
    except Exception as e:
        print(e, file=sys.stderr)
        sys.exit(NO_CLUSTER)
    try:
        report = Library(home).index([folder], ray=cluster.address)
        print("files", report.new, "bad", len(report.bad))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
