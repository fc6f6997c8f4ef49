"""A real sshd on loopback that lets this user in, and names under which it misbehaves."""

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from qtops.cli.host import Host
from qtops.cli.main import main
from qtops.sandbox.redis_server import EmbeddedRedis

PLACES = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
QTOPS = [sys.executable, "-P", "-m", "qtops"]
VERSION = '{"schema": "qtops.version/v1", "status": "ok", "exit_code": 0, "version": "%s"}'


@dataclass
class Run:
    code: int
    out: str
    err: str


@dataclass
class Site:
    """One server under many names; `site(...)` is one qtops of this host."""

    place: Path
    port: int
    redis_url: str
    config: Path
    base: dict[str, str] = field(default_factory=dict)

    def __call__(self, *argv: str, **settings: str) -> Run:
        out, err = io.StringIO(), io.StringIO()
        environ = self.environ(**settings)
        home = Path(environ["HOME"])
        code = main(argv, Host(io.StringIO(), out, err, environ, home, home, home / "etc"))
        return Run(code, out.getvalue(), err.getvalue())

    def environ(self, **settings: str) -> dict[str, str]:
        return self.base | settings

    def program(self, name: str, body: str) -> str:
        """A program of the far host."""
        path = self.place / name
        path.write_text(body)
        path.chmod(0o755)
        return str(path)

    def logins(self) -> int:
        """How often the server has let somebody in."""
        return (self.place / "sshd.log").read_text().count("Accepted publickey")


def keygen(path: Path) -> str:
    """A new key; returns its public half."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True)
    return path.with_suffix(".pub").read_text().strip()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def server():
    with EmbeddedRedis() as running:
        yield running


@pytest.fixture
def db(server):
    with redis.Redis(port=server.port) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def mute():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="session")
def daemon(server, mute):
    """The directory is a short one: the path of a socket has 107 bytes."""
    binary = shutil.which("sshd", path=PLACES)
    if binary is None or shutil.which("ssh") is None:
        pytest.skip("no sshd here")
    place = Path(tempfile.mkdtemp(prefix="qr-"))
    host_key, other_key = keygen(place / "host"), keygen(place / "stranger")
    (place / "authorized").write_text(keygen(place / "mine") + "\n")
    port = free_port()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    (place / "sshd.conf").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {place}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {place}/authorized\nStrictModes no\nPermitRootLogin yes\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nAcceptEnv *\n"
        "LogLevel VERBOSE\n"
    )
    address = f"[127.0.0.1]:{port}"
    (place / "known").write_text(f"{address} {host_key}\n")
    (place / "wrong").write_text(f"{address} {other_key}\n")
    (place / "ssh.conf").write_text(
        f"""Host denied
  IdentityFile {place}/stranger
Host unknown
  UserKnownHostsFile /dev/null
Host lax
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
Host changed
  UserKnownHostsFile {place}/wrong
Host closed
  Port {free_port()}
Host mute
  Port {mute}
Host !denied !keyless *
  IdentityFile {place}/mine
Host *
  HostName 127.0.0.1
  Port {port}
  IdentitiesOnly yes
  UserKnownHostsFile {place}/known
  GlobalKnownHostsFile /dev/null
  SendEnv *
"""
    )
    log = place / "sshd.log"
    command = [binary, "-D", "-f", str(place / "sshd.conf"), "-E", str(log)]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 10
    while not (log.exists() and "listening" in log.read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"sshd does not start: {log.read_text() if log.exists() else ''}")
        time.sleep(0.02)
    yield Site(place, port, f"redis://127.0.0.1:{server.port}/0", place / "ssh.conf")
    process.terminate()
    process.wait(10)
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def site(daemon, tmp_path):
    """The far host has a qtops; each test has connections of its own."""
    run = tempfile.mkdtemp(prefix="qx-")
    own = Site(daemon.place, daemon.port, daemon.redis_url, daemon.config)
    body = f'#!/bin/sh\nQTOPS_REDIS_URL={own.redis_url} exec {" ".join(QTOPS)} "$@"\n'
    own.base = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": run,
        "QTOPS_REMOTE_SSH_CONFIG": str(own.config),
        "QTOPS_REMOTE_QTOPS": own.program("qtops", body),
        "QTOPS_REMOTE_REDIS": own.redis_url,
        "QTOPS_REDIS_URL": "redis://127.0.0.1:1/0",  # ours is away: no answer can come from it
    }
    yield own
    for master in Path(run).glob("qtops-ssh/*"):
        command = ["ssh", "-F", str(own.config), "-S", str(master), "-O", "exit", "alpha"]
        subprocess.run(command, check=False, capture_output=True)
    shutil.rmtree(run, ignore_errors=True)
