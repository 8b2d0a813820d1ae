"""What `antiphon serve --ray` refuses before it starts anything."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from orchestrator.config import Config
from serving.command import start_ray
from specialists.errors import BadConfig, Unavailable


def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match="cannot listen there") as error:
            start_ray(Config(), "127.0.0.1", port)
    assert error.value.part == f"127.0.0.1:{port}"


def test_without_ray_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['ray'] = None\n"  # what an import of a missing package meets
        "from orchestrator.config import Config\n"
        "from serving.command import start_ray\n"
        "start_ray(Config(), '127.0.0.1', 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Unavailable: serve --ray: Ray Serve is not installed" in run.stderr
    assert "pip install 'antiphon[ray]'" in run.stderr


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port"])
def test_an_address_that_cannot_be_one_is_refused(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(BadConfig, match="HOST:PORT"):
        start_ray(Config.model_validate({"ray": {"address": address}}), "127.0.0.1", 0)


def test_a_cluster_that_is_not_there_is_told_within_seconds() -> None:
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    config = Config.model_validate({"ray": {"address": f"127.0.0.1:{port}"}})
    with pytest.raises(Unavailable, match="no cluster answers"):
        start_ray(config, "127.0.0.1", 0)
