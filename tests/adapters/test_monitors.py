"""How Prometheus is found: real processes and sockets, and systemctl's answer from a script."""

import http.server
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from qtops.adapters import monitors
from qtops.adapters.monitors import HostMonitors
from qtops.errors import HostError

LISTEN = (
    "import socket, sys; s = socket.create_server(('127.0.0.1', 0));"
    "print(s.getsockname()[1], flush=True); sys.stdin.read()"
)


@pytest.fixture
def listener(tmp_path):
    """A process called prometheus that listens somewhere: its id and its port."""
    program = tmp_path / "prometheus"
    program.symlink_to(Path(sys.executable).resolve())
    command = [program, "-I", "-S", "-c", LISTEN]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        yield process.pid, process.stdout.readline().strip()
        process.stdin.close()


async def test_a_process_of_that_name_is_found_by_its_sockets(listener):
    pid, port = listener
    places = dict(await HostMonitors(ports=()).places())
    assert places[f"http://127.0.0.1:{port}"] == f"listening socket of process {pid}"


@pytest.mark.parametrize(
    ("argument", "url"),
    [
        ("--web.listen-address=:9091", "http://127.0.0.1:9091"),
        ("--web.listen-address=0.0.0.0:9092", "http://127.0.0.1:9092"),
        ("--web.listen-address\0[::]:9093", "http://127.0.0.1:9093"),
        ("--web.listen-address=10.0.0.7:9094", "http://10.0.0.7:9094"),
        ('--web.listen-address="[::1]:9095"', "http://[::1]:9095"),
    ],
)
async def test_its_command_line_says_where_it_listens(tmp_path, argument, url):
    folder = tmp_path / "17"
    folder.mkdir()
    (folder / "comm").write_text("prometheus\n")
    (folder / "cmdline").write_text(f"/usr/bin/prometheus\0{argument}\0--x=1\0")
    places = await HostMonitors(tmp_path, ports=(9090,)).places()
    assert places == [
        (url, "command line of process 17"),
        ("http://127.0.0.1:9090", "usual port"),
    ]


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """A machine whose systemctl says what the test wants."""

    def says(text, code=0):
        program = tmp_path / "systemctl"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setattr(monitors, "SYSTEMD_RUNS", tmp_path)

    return says


async def test_the_unit_says_where_it_would_listen(systemctl, tmp_path):
    command = "/usr/bin/prometheus --web.listen-address=:9097"
    systemctl(f"ExecStart={{ path=/usr/bin/prometheus ; argv[]={command} ; ignore_errors=no }}\n")
    places = await HostMonitors(tmp_path, ports=()).places()
    assert places == [("http://127.0.0.1:9097", "command line of prometheus.service")]


async def test_units_that_systemd_does_not_know_have_no_state(systemctl):
    systemctl(
        "Id=prometheus.service\nLoadState=loaded\nActiveState=failed\n\n"
        "Id=grafana-server.service\nLoadState=not-found\nActiveState=inactive\n"
    )
    states = await HostMonitors().unit_states(["prometheus", "grafana-server"])
    assert states == {"prometheus": "failed"}


async def test_a_systemctl_that_fails_is_not_a_host_without_units(systemctl):
    systemctl("", code=1)
    with pytest.raises(HostError, match="ended with 1"):
        await HostMonitors().unit_states(["prometheus"])


async def test_without_systemd_units_cannot_be_seen(monkeypatch, tmp_path):
    monkeypatch.setattr(monitors, "SYSTEMD_RUNS", tmp_path / "none")
    with pytest.raises(HostError, match="does not run systemd"):
        await HostMonitors().unit_states(["prometheus"])


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code = {"/moved": 301, "/denied": 401}.get(self.path, 200)
        token = self.headers.get("Authorization", "")
        self.send_response(code)
        self.send_header("Location", "/json")
        self.end_headers()
        self.wfile.write(b"<html>" if self.path == "/html" else f'"{token}"'.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_what_answers_and_what_does_not(web):
    source = HostMonitors()
    assert await source.json(f"{web}/json", "t") == "Bearer t"
    assert await source.json(f"{web}/json") == ""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for url, words in (
            (f"{web}/html", "not with JSON"),
            (f"{web}/moved", "HTTP 301"),
            (f"{web}/denied", "HTTP 401"),
            (nowhere, "nothing listens there"),
        ):
            with pytest.raises(HostError, match=words):
                await source.json(url)
