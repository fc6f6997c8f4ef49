"""Sockets that really listen, found in /proc with their owner."""

import os
import socket

import pytest

from qtops.adapters.host_ports import listeners
from qtops.adapters.host_resources import host_resources
from qtops.errors import HostError


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_our_own_listener_is_found_with_its_process(family, address):
    try:
        listening = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip("no IPv6 here")
    with listening:
        port = listening.getsockname()[1]
        [found] = [one for one in listeners() if one.port == port]
    assert (found.address, found.pid, found.is_loopback) == (address, os.getpid(), True)
    assert found.process


def test_an_owner_out_of_sight_is_unknown(tmp_path):
    (tmp_path / "net").mkdir()
    header = "  sl  local_address rem_address   st\n"
    row = "   0: 00000000:1F90 00000000:0000 0A 0:0 00:0 0 0 0 77\n"
    other = "   1: 0100007F:0050 00000000:0000 01 0:0 00:0 0 0 0 78\n"  # not listening
    (tmp_path / "net/tcp").write_text(header + row + other)
    [found] = listeners(tmp_path)
    assert (found.address, found.port, found.pid) == ("0.0.0.0", 8080, None)
    assert found.owner == "owner unknown"


def test_without_proc_it_is_an_error(tmp_path):
    with pytest.raises(HostError, match="net/tcp is not there"):
        listeners(tmp_path)


def test_the_machine_itself_can_be_read(tmp_path):
    reading = host_resources([tmp_path], logs=tmp_path)
    assert reading.memory_total > reading.memory_available > 0
    assert reading.load is not None
    assert reading.log_bytes == 0
    missing = host_resources([tmp_path], tmp_path / "none", tmp_path / "none")
    assert (missing.memory_total, missing.load, missing.log_bytes) == (None, None, None)
