"""Index a folder on a cluster of two Ray nodes of this machine: ray_nodes.py LIBRARY FOLDER.

Ray gives up on what has not started after half a minute, whatever it is told, which a busy machine
needs for one of its processes. Here it is asked again until it is there.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

START = 900.0  # seconds
LIMITS = {  # of Ray's own waiting, which read them when they start
    "RAY_agent_register_timeout_ms": 900_000,
    "RAY_gcs_rpc_server_connect_timeout_s": 900,
    "RAY_gcs_server_request_timeout_seconds": 300,
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
        until = time.monotonic() + START
        while True:
            try:
                return ask(*arguments, **options)
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    return asked


def main(home: str, folder: str) -> None:
    warnings.simplefilter("ignore")
    os.environ.update({name: str(limit) for name, limit in LIMITS.items()})
    from ray._private import services
    from ray.cluster_utils import Cluster

    from lorarium.library import Library

    services.get_node = patient(services.get_node)
    cluster = Cluster()
    try:
        cluster.add_node(wait=False, include_dashboard=False, **FEW)
        cluster.add_node(wait=False, **FEW)
        cluster.wait_for_nodes(timeout=START)
        report = Library(home).index([folder], ray=cluster.address)
        print("files", report.new, "bad", len(report.bad))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
