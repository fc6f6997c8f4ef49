"""A scratch system that looks like the one the founding report was written about.

Everything is real but the processes: git repositories with a stash that conflicted, a Redis with
the report's streams and groups, environment files; /proc, systemctl and journalctl are files and
stubs that answer in the format of the real ones.
"""

import json
import os
import socket
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.founding import report as r

UPTIME_S = 400_000
STARTED_S_AGO = 150_000  # 41 hours, as the AI engine said
CODE_S_AGO = 180_000

ADD = """
local key, first, step = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
for n = 0, tonumber(ARGV[3]) - 1 do
  redis.call('XADD', key, string.format('%.0f-0', first + n * step), 'n', n)
end
"""


@dataclass(frozen=True)
class Founding:
    """Where it is. `qt` is the tree that the units run from, `root` the one people work in."""

    etc: Path
    proc: Path
    logs: Path
    systemd_runs: Path
    systemctl: str
    journalctl: str
    qt: Path
    root: Path


def build_host(at: Path) -> Founding:
    """Everything but Redis, under `at`."""
    qt, root = at / "home/qt/quantum_trader", at / "root/quantum_trader"
    _repositories(qt, root)
    etc = at / "etc/quantum"
    _environment(etc)
    bin_dir = at / "bin"
    _stubs(bin_dir, qt, etc)
    logs, runs = at / "var/log", at / "run/systemd/system"
    for directory in (logs, runs):
        directory.mkdir(parents=True)
    _proc(at / "proc")
    tools = (str(bin_dir / "systemctl"), str(bin_dir / "journalctl"))
    return Founding(etc, at / "proc", logs, runs, *tools, qt, root)


# --- git ------------------------------------------------------------------------------------------


def _git(tree: Path, *words: str, is_ok: bool = True) -> None:
    when = f"{int(time.time()) - CODE_S_AGO} +0000"
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "qt",
        "GIT_AUTHOR_EMAIL": "qt@example.org",
        "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_NAME": "qt",
        "GIT_COMMITTER_EMAIL": "qt@example.org",
        "GIT_COMMITTER_DATE": when,
    }
    subprocess.run(["git", "-C", tree, *words], env=environ, check=is_ok, capture_output=True)


def _repositories(qt: Path, root: Path) -> None:
    """`root` is 30 commits ahead; a stash in `qt` met one of its commits in `main.py`."""
    root.mkdir(parents=True)
    _git(root, "init", "-q", "-b", "main")
    for package in filter(None, r.NAMED.values()):
        directory = root / "microservices" / package
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "main.py").write_text(r.CODE.get(package, "run()\n"), encoding="utf-8")
    _commit(root, "base")
    qt.parent.mkdir(parents=True)
    _git(root, "clone", "-q", str(root), str(qt))
    main = "microservices/apply_layer/main.py"
    (qt / main).write_text("run(patched=True)\n", encoding="utf-8")
    _git(qt, "stash")
    (root / main).write_text("run(calibrated=True)\n", encoding="utf-8")
    _commit(root, "P0.FIX")
    _git(qt, "pull", "-q", "--ff-only")
    _git(qt, "stash", "pop", is_ok=False)
    (qt / "microservices/apply_layer/main.py.patch").write_text("patch\n", encoding="utf-8")
    for number in range(r.COMMITS_APART):
        _git(root, "commit", "-q", "--allow-empty", "-m", f"policy {number}")
    for path in qt.rglob("*.py"):
        os.utime(path, (time.time() - CODE_S_AGO,) * 2)
    # The bot was patched an hour ago, under the running process.
    os.utime(qt / "microservices/trading_bot/main.py", (time.time() - 3600,) * 2)


def _commit(tree: Path, message: str) -> None:
    _git(tree, "add", "-A")
    _git(tree, "commit", "-q", "-m", message)


# --- environment files, /proc ---------------------------------------------------------------------


def _environment(etc: Path) -> None:
    etc.mkdir(parents=True)
    others = [f"service-{n}.env" for n in range(r.ENV_FILES - len(r.PRIVATE_ENV) - 1)]
    for name in (*r.PRIVATE_ENV, "governor.env", *others):
        path = etc / name
        path.write_text("LEVEL=1\n", encoding="utf-8")
        path.chmod(0o600 if name in r.PRIVATE_ENV else 0o644)
        os.utime(path, (time.time() - CODE_S_AGO,) * 2)
    (etc / "service-0.env").write_text(r.KEY_ENV, encoding="utf-8")
    os.utime(etc / "service-0.env", (time.time() - CODE_S_AGO,) * 2)
    (etc / "exitbrain-control.env").write_text(r.CONTROL_ENV, encoding="utf-8")
    os.utime(etc / "exitbrain-control.env", (time.time() - CODE_S_AGO,) * 2)


def _proc(proc: Path) -> None:
    (proc / "net").mkdir(parents=True)
    (proc / "uptime").write_text(f"{UPTIME_S}.00 1000.00\n", encoding="ascii")
    (proc / "loadavg").write_text("0.50 0.40 0.30 1/500 1\n", encoding="ascii")
    memory = "MemTotal: 16000000 kB\nMemAvailable: 10700000 kB\n"
    (proc / "meminfo").write_text(memory, encoding="ascii")
    rows = ["  sl  local_address rem_address   st"]
    for inode, port in enumerate(r.PORTS, start=5000):
        # The kernel prints the address as a number of the machine's byte order.
        address = struct.unpack("=I", socket.inet_aton(port.address))[0]
        columns = f"{address:08X}:{port.port:04X} 00000000:0000 0A 0:0 00:0 0 0 0 {inode}"
        rows.append(f"   0: {columns}")
        if port.is_visible:
            _process(proc / str(port.pid), port, inode)
    (proc / "net/tcp").write_text("\n".join(rows) + "\n", encoding="ascii")


def _process(directory: Path, port: r.Port, inode: int) -> None:
    (directory / "fd").mkdir(parents=True)
    (directory / "fd/7").symlink_to(f"socket:[{inode}]")
    (directory / "comm").write_text(f"{port.process}\n", encoding="ascii")
    (directory / "cgroup").write_text(f"0::/system.slice/{port.unit}\n", encoding="ascii")


# --- systemd --------------------------------------------------------------------------------------


def _stubs(bin_dir: Path, qt: Path, etc: Path) -> None:
    """Shell scripts that print what the real programs printed."""
    bin_dir.mkdir(parents=True)
    others = [f"worker-{n}" for n in range(r.UNITS_IN_ALL - len(r.NAMED))]
    names = [*r.NAMED, *others]
    shown = "\n\n".join(_shown(name, qt, etc) for name in names)
    (bin_dir / "show.txt").write_text(f"{shown}\n", encoding="utf-8")
    files = [f"quantum-{name}.service enabled enabled" for name in names]
    files.append("quantum-retired.service masked enabled")
    (bin_dir / "files.txt").write_text("\n".join(files) + "\n", encoding="utf-8")
    for name, lines in r.LOGS.items():
        rows = "".join(json.dumps({"MESSAGE": line}) + "\n" for line in lines)
        (bin_dir / f"quantum-{name}.service.log").write_text(rows, encoding="utf-8")
    _script(
        bin_dir / "systemctl",
        f'case "$1" in show) cat {bin_dir}/show.txt;; list-unit-files) cat {bin_dir}/files.txt;; '
        "*) exit 1;; esac",
    )
    _script(bin_dir / "journalctl", f'[ ! -f {bin_dir}/"$2".log ] || cat {bin_dir}/"$2".log')


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def _shown(name: str, qt: Path, etc: Path) -> str:
    """One unit as `systemctl show` prints it."""
    has_failed = name in r.FAILED
    package = r.NAMED.get(name, "")
    script = f"microservices/{package}/main.py" if package else "ops/run.sh"
    argv = f"/usr/bin/python3 -u {script}"
    env = etc / ("exitbrain-control.env" if name == "exitbrain-v35" else "governor.env")
    started_us = (UPTIME_S - STARTED_S_AGO) * 1_000_000
    fields = {
        "Type": "oneshot" if name in r.ONESHOT else "simple",
        "NRestarts": "5" if has_failed else "0",
        "Result": "exit-code" if has_failed else "success",
        "ExecMainStartTimestampMonotonic": str(started_us),
        "ExecMainStatus": "1" if has_failed else "0",
        "ExecStart": f"{{ path=/usr/bin/python3 ; argv[]={argv} ; ignore_errors=no ; pid=1 }}",
        "EnvironmentFiles": f"{env} (ignore_errors=no)",
        "WorkingDirectory": str(qt),
        "User": "qt",
        "Id": f"quantum-{name}.service",
        "LoadState": "loaded",
        "ActiveState": "failed" if has_failed else "active",
        "SubState": "failed" if has_failed else "running",
        "FragmentPath": f"/etc/systemd/system/quantum-{name}.service",
        "UnitFileState": "enabled",
        "NeedDaemonReload": "no",
    }
    return "\n".join(f"{key}={value}" for key, value in fields.items())


# --- Redis ----------------------------------------------------------------------------------------


def build_redis(db: "redis.Redis") -> None:
    """The report's streams, groups and keys, as old as they were then."""
    seconds, _ = db.time()
    for name, stream in r.STREAMS.items():
        _stream(db, f"quantum:stream:{name}", stream, seconds * 1000 - stream.age_s * 1000)
    db.hset("quantum:state:portfolio", mapping={"observed_at_ms": seconds * 1000})
    db.expire("quantum:state:portfolio", 3600)
    db.hset("quantum:position:ledger:BTCUSDT", mapping={"amount": "0.002"})
    db.set("quantum:kill", "0")
    db.set("quantum:mode", "TESTNET")
    db.set("quantum:governor:halt", "0")
    # Idle is not broken: the gates of the day live, and have nothing to decide.
    for gate in ("governor", "portfolio-gate", "position-gate"):
        db.hset(f"quantum:heartbeat:{gate}", mapping={"at_ms": seconds * 1000})
        db.expire(f"quantum:heartbeat:{gate}", 15)


def _stream(db: "redis.Redis", key: str, stream: r.Stream, last_ms: int) -> None:
    first_ms = last_ms - (stream.length - 1) * stream.step_ms
    db.eval(ADD, 1, key, first_ms, stream.step_ms, stream.length)
    added = stream.added or stream.length
    db.execute_command("XSETID", key, f"{last_ms}-0", "ENTRIESADDED", added, "MAXDELETEDID", "0-0")
    for group in stream.groups:
        before = group.behind + group.pending
        position = f"{last_ms - before * stream.step_ms}-0" if before < stream.length else "0"
        read = added - before if group.entries_read is None else group.entries_read
        db.xgroup_create(key, group.name, position, entries_read=read)
        for number in range(group.consumers):
            db.xgroup_createconsumer(key, group.name, f"consumer-{number}")
        if group.pending:
            db.xreadgroup(group.name, "consumer-0", {key: ">"}, count=group.pending)
