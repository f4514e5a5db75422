"""`make portal` itself: all of it ends together, and nobody from outside reaches it."""

import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.browser.stage import Demo, ask, children
from tests.end_to_end.sidecar import until

# As /proc/net writes 127.0.0.1, and the same as a socket of IPv6 has it.
_LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}


def _listening(processes: set[int]) -> set[str]:
    """Addresses that processes listen on, as /proc writes them."""
    sockets = {
        match[1]
        for process in processes
        for link in Path(f"/proc/{process}/fd").iterdir()
        if (match := re.match(r"socket:\[(\d+)\]", str(link.readlink())))
    }
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in sockets}


def test_everything_listens_on_loopback_only(demo: Demo) -> None:
    addresses = _listening({demo.process.pid, *children(demo.process.pid).values()})
    # Envoy, the portal behind it, the presenter's page, and the four of the sidecar.
    assert len(addresses) == 7
    assert {address.partition(":")[0] for address in addresses} <= _LOOPBACK


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_whole(tmp_path: Path, number: int) -> None:
    running = Demo.start(tmp_path / "log")
    started = children(running.process.pid)
    assert "envoy" in started
    assert len(started) == 2
    assert running.end(number) == 0
    assert not [name for name, process in started.items() if Path(f"/proc/{process}").exists()]
    with pytest.raises(ConnectionRefusedError):
        ask(running.portal, "/")


@pytest.mark.parametrize("part", ["envoy", "sidecar"])
def test_it_ends_whole_when_a_part_does(tmp_path: Path, part: str) -> None:
    running = Demo.start(tmp_path / "log")
    started = children(running.process.pid)
    victim = started.pop(part)
    subprocess.run(["kill", "-KILL", str(victim)], check=True)
    until(lambda: running.process.poll() is not None, 40, "the end")
    assert running.end() == 3
    assert "ended by itself" in (tmp_path / "log").read_text()
    assert not [process for process in started.values() if Path(f"/proc/{process}/fd").exists()]


def test_a_port_in_use_is_replaced(tmp_path: Path, demo: Demo) -> None:
    port = demo.portal.rpartition(":")[2]
    other = Demo.start(tmp_path / "log", "--port", port)
    assert other.end() == 0
    assert other.portal != demo.portal
    with socket.create_connection(("127.0.0.1", int(port)), 5):
        pass


def test_the_portal_shows_no_page_that_did_not_pass_the_gateway(demo: Demo) -> None:
    (address,) = {
        row
        for row in _listening({demo.process.pid})
        if int(row.partition(":")[2], 16) != int(demo.regie.rpartition(":")[2])
    }
    behind = f"http://127.0.0.1:{int(address.partition(':')[2], 16)}"
    status, text = ask(behind, "/profiel")
    assert status == 403
    assert "niet via de toegangscontrole" in text
