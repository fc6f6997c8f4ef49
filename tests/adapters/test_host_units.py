"""systemctl and journalctl as they answer, and as they fail."""

import json

import pytest

from qtops.adapters.host_code import read_code
from qtops.adapters.host_units import HostUnits
from qtops.contracts.system_reading import UnitState
from qtops.errors import HostError

NOW_MS = 2_000_000_000_000
SHOWN = """\
Id=qtops-executor.service
LoadState=loaded
ActiveState=active
SubState=running
Type=notify
UnitFileState=enabled
Result=success
ExecMainStatus=0
NRestarts=2
ExecMainStartTimestampMonotonic=60000000
User=qtops
WorkingDirectory=!/srv/qtops
EnvironmentFiles=/etc/quantum/qtops.env (ignore_errors=yes)
EnvironmentFiles=/etc/quantum/a b.env (ignore_errors=no)
ExecStart={ path=/opt/qtops ; argv[]=/opt/qtops run executor ; ignore_errors=no ; pid=7 }
NeedDaemonReload=yes

Id=quantum-gone.service
LoadState=not-found
ActiveState=inactive
NRestarts=[not set]
ExecMainStartTimestampMonotonic=0
"""


class FixedClock:
    def now_ms(self):
        return NOW_MS

    def monotonic_ms(self):
        return 0.0


@pytest.fixture
def host(tmp_path):
    """`host(systemctl="…")` are units as shell scripts tell them; `systemd=False` for none."""
    (tmp_path / "uptime").write_text("100.00 1.0\n")
    (tmp_path / "show").write_text(SHOWN)

    def build(systemctl="true", journalctl="true", *, systemd=True):
        for name, text in (("systemctl", systemctl), ("journalctl", journalctl)):
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        return HostUnits(
            FixedClock(),
            systemctl=str(tmp_path / "systemctl"),
            journalctl=str(tmp_path / "journalctl"),
            runs=tmp_path if systemd else tmp_path / "none",
            proc=tmp_path,
        )

    return build


async def test_units_are_read_as_systemd_shows_them(host, tmp_path):
    files = "quantum-gone.service masked enabled\\nqtops-a.service enabled enabled\\n"
    files += "qtops-b.service masked enabled\\nqtops-x@.service static -\\n"
    shows = f'case "$1" in show) cat {tmp_path}/show;; *) printf "{files}";; esac'
    first, second, third, fourth = await host(shows).states()
    assert (first.name, first.load, first.file_state) == (
        "qtops-a.service",
        "not-loaded",
        "enabled",
    )
    assert (second.name, second.load) == ("qtops-b.service", "masked")
    assert third == UnitState(
        "qtops-executor.service",
        "loaded",
        "active",
        "running",
        "notify",
        "enabled",
        "success",
        exit_status=0,
        restarts=2,
        started_ms=NOW_MS - 100_000 + 60_000,
        user="qtops",
        directory="/srv/qtops",
        environment_files=("/etc/quantum/qtops.env", "/etc/quantum/a b.env"),
        command=("/opt/qtops", "run", "executor"),
        needs_reload=True,
    )
    assert (fourth.load, fourth.restarts, fourth.started_ms) == ("not-found", None, None)


async def test_no_file_that_fits_is_no_error(host, tmp_path):
    found = await host(f'[ "$1" = show ] && cat {tmp_path}/show').states()
    assert [unit.name for unit in found] == ["qtops-executor.service", "quantum-gone.service"]


@pytest.mark.parametrize(
    ("systemctl", "systemd", "words"),
    [
        ("true", False, "systemd is not the init here"),
        ("echo Failed to connect to bus >&2; exit 1", True, "Failed to connect to bus"),
    ],
)
async def test_what_cannot_be_asked_is_an_error(host, systemctl, systemd, words):
    with pytest.raises(HostError, match=words):
        await host(systemctl, systemd=systemd).states()


async def test_log_lines_of_every_kind(host, tmp_path):
    rows = [
        {"MESSAGE": "one\ntwo  "},
        {"MESSAGE": list(b"\xff bytes")},
        {"MESSAGE": None},
        {"MESSAGE": "x" * 400},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows) + "no json\n"
    (tmp_path / "log").write_text(text)
    lines = await host(journalctl=f"cat {tmp_path}/log").log("qtops-executor.service")
    assert lines == ("one", "two", "\ufffd bytes", "x" * 300)


# --- code -----------------------------------------------------------------------------------------


def unit(directory, *command):
    return UnitState("q.service", "loaded", "active", directory=str(directory), command=command)


@pytest.mark.parametrize(
    "command",
    [
        ("/usr/bin/python3", "-u", "pkg/main.py"),
        ("/usr/bin/python3", "-m", "uvicorn", "pkg.main:app", "--port", "1"),
        ("/usr/bin/python3", "-m", "pkg.main"),
    ],
)
def test_the_entry_is_found_by_script_and_by_module(tmp_path, command):
    (tmp_path / "pkg").mkdir()
    main = tmp_path / "pkg/main.py"
    main.write_text("a = 1\n=======\n<<<<<<< HEAD\nr.get('quantum:state:portfolio')\n")
    (tmp_path / "pkg/other.py").write_text('f"quantum:permit:{plan}"; "quantum"; "x:quantum:y"\n')
    code = read_code(unit(tmp_path, *command), "quantum")
    assert (code.entry, code.conflict_line) == (str(main), 3)
    assert code.changed_ms == main.stat().st_mtime_ns // 1_000_000
    assert code.spelled == {"state:portfolio"} | {"permit:"}


def test_a_program_without_source_is_as_old_as_its_file(tmp_path):
    program = tmp_path / "qtops"
    program.write_text("#!")
    code = read_code(unit("/", str(program), "run", "executor"), "quantum")
    assert (code.entry, code.changed) == ("", str(program))
    assert read_code(unit("/", "/usr/bin/python3", "gone.py"), "quantum").changed_ms is None


def test_a_checkout_counts_as_a_change(tmp_path):
    (tmp_path / "main.py").write_text("")
    log = tmp_path / ".git/logs/HEAD"
    log.parent.mkdir(parents=True)
    log.write_text("0 1 N <e> 100 +0000\tclone\n1 2 N <e> 99999999999 +0100\tpull: a b\n")
    code = read_code(unit(tmp_path, "python3", "main.py"), "quantum")
    assert (code.changed_ms, code.changed) == (99_999_999_999_000, f"checkout of {tmp_path}")
