"""`--remote` against a real sshd: the qtops there, the tunnel, several hosts, and what goes wrong.

Every answer comes from the far Redis: the one of these command lines is away.
"""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from qtops import __version__
from qtops.cli.remote_answer import WORST_FIRST, worst
from qtops.errors import ExitCode
from tests.remote.conftest import QTOPS, VERSION

NASTY = ["a b", "it's", '"q"', ";touch X", "$(touch X)", "`touch X`", "a\nb", "*", "é\\", "", "&|"]
ECHO = """#!/usr/bin/env python3
import json, os, sys
if "--version" in sys.argv:
    print({version!r})
else:
    document = {{"schema": "qtops.echo/v1", "status": "ok", "exit_code": 0}}
    print(json.dumps(document | {{"argv": sys.argv[1:], "environ": dict(os.environ)}}))
"""


def echo(site, name="echo"):
    return site.program(name, ECHO.format(version=VERSION % __version__))


def answering(site, name, document, code=0):
    """A far program with the right version and this answer."""
    version = VERSION % __version__
    body = f"#!/bin/sh\ncase \"$*\" in *--version*) echo '{version}';; *) echo '{document}';"
    return site.program(name, f"{body} exit {code};; esac\n")


def test_the_answer_and_the_exit_code_of_the_far_qtops_are_ours(site, db):
    db.set("quantum:control:kill", "1")
    run = site("kill", "status", "--host", "alpha")
    assert run.code == ExitCode.UNHEALTHY
    assert "HALTED" in run.out.splitlines()[0]
    assert run.err == ""


def test_a_document_is_the_far_one_and_says_from_where(site, db):
    run = site("audit", "streams", "--host", "alpha", "--json")
    document = json.loads(run.out)
    assert document["schema"] == "qtops.audit.streams/v1"
    assert (document["host"], document["via"]) == ("alpha", "qtops")
    assert document["exit_code"] == run.code


def test_a_fault_of_the_far_qtops_is_told_as_such(site):
    run = site("trace", "--since", "nonsense", "--host", "alpha", "--json")
    assert run.code == ExitCode.USAGE
    assert json.loads(run.out)["schema"] == "qtops.error/v1"
    assert run.err.startswith("alpha: usage: --since 'nonsense'")


def test_every_word_arrives_as_it_was_typed(site, tmp_path):
    words = ["config", "show", "--only-changed", "--", "--host", *NASTY]
    argv = ["--json", *words[:2], "--host", "alpha", "--port", str(site.port), *words[2:]]
    run = site(*argv, QTOPS_REMOTE_QTOPS=echo(site))
    assert json.loads(run.out)["argv"] == ["--json", *words]
    assert not list(Path.home().glob("X"))


def test_nothing_of_the_environment_goes_along(site):
    run = site(
        "config", "show", "--json", "--host", "alpha",
        QTOPS_REMOTE_QTOPS=echo(site), LANG="xx_XX", LC_ALL="C", BINANCE_API_KEY="k3y", MARK="1",
    )  # fmt: skip
    there = json.loads(run.out)["environ"]
    assert not {"BINANCE_API_KEY", "MARK", "XDG_RUNTIME_DIR"} & there.keys()
    assert there.get("LANG") != "xx_XX"


def test_several_commands_share_one_connection(site):
    before = site.logins()
    program = echo(site)
    for _ in range(3):
        run = site("config", "show", "--host", "alpha", "--json", QTOPS_REMOTE_QTOPS=program)
        assert run.code == ExitCode.OK
    assert site.logins() == before + 1


def test_connections_are_not_shared_where_others_could_reach_them(site):
    place = Path(site.base["XDG_RUNTIME_DIR"], "qtops-ssh")
    place.mkdir()
    place.chmod(0o777)
    before = site.logins()
    program = echo(site)
    assert site("config", "show", "--host", "a", "--json", QTOPS_REMOTE_QTOPS=program).code == 0
    assert site.logins() == before + 2
    assert not list(place.iterdir())


@pytest.mark.parametrize(
    ("host", "code", "words"),
    [
        ("unknown", "ssh_host_key_unknown", "the host key of unknown is not known"),
        ("lax", "ssh_host_key_unknown", "the host key of lax is not known"),
        ("changed", "ssh_host_key_changed", "HOST KEY CHANGED"),
        ("denied", "ssh_permission_denied", "accepts none of our keys"),
        ("closed", "ssh_refused", "refused the connection"),
        ("mute", "ssh_timeout", "did not answer in time"),
    ],
)
@pytest.mark.parametrize("via", ["auto", "redis"])
def test_what_keeps_us_out_is_named(site, host, code, words, via):
    argv = ["audit", "streams", "--host", host, "--via", via, "--json"]
    run = site(*argv, QTOPS_REMOTE_CONNECT_SECONDS="1")
    assert run.code == ExitCode.ERROR
    assert json.loads(run.out)["error"]["code"] == code
    assert words in run.err
    assert "; next: " in run.err
    assert len(run.err.splitlines()) == 1


def test_a_name_without_an_address_is_named(site):
    config = site.place / "plain.conf"
    config.write_text("")
    run = site("trace", "--host", "nosuch.invalid", QTOPS_REMOTE_SSH_CONFIG=str(config))
    assert (run.code, run.err.split(";")[0]) == (1, "error: no address is known for nosuch.invalid")


def test_without_an_ssh_client_we_say_so(site, tmp_path):
    run = site("trace", "--host", "alpha", PATH=str(tmp_path))
    assert run.code == ExitCode.ERROR
    assert "there is no ssh on this host" in run.err


def test_the_key_and_the_port_can_be_named(site):
    argv = ["config", "show", "--json", "--host", "keyless"]
    settings = {"QTOPS_REMOTE_QTOPS": echo(site)}
    assert site(*argv, **settings).code == ExitCode.ERROR
    assert site(*argv, "--key", str(site.place / "mine"), **settings).code == ExitCode.OK
    assert (
        site("config", "show", "--host", "closed", "--port", str(site.port), **settings).code == 0
    )


def test_without_a_qtops_there_the_redis_is_read_through_a_tunnel(site, db):
    run = site("audit", "streams", "--host", "alpha", "--json", QTOPS_REMOTE_QTOPS="no-such-qtops")
    document = json.loads(run.out)
    assert document["schema"] == "qtops.audit.streams/v1"
    assert (document["via"], document["exit_code"]) == ("redis", run.code)
    assert "through a tunnel to Redis" in run.err


def test_the_tunnel_logs_in_with_the_password_of_the_setting(site, db):
    db.config_set("requirepass", "p@ss/w:rd")
    try:
        url = site.redis_url.replace("//", "//:p%40ss%2Fw%3Ard@")
        trace = ["trace", "--host", "alpha", "--via", "redis"]
        assert site(*trace, QTOPS_REMOTE_REDIS=url).code == ExitCode.OK
        run = site(*trace)
        assert run.code == ExitCode.ERROR
        assert "alpha: error: " in run.err
    finally:
        db.config_set("requirepass", "")


@pytest.mark.parametrize("words", [["health"], ["kill", "status"], ["config", "show"]])
def test_what_looks_at_the_host_itself_is_not_answered_through_a_tunnel(site, words):
    run = site(*words, "--host", "alpha", QTOPS_REMOTE_QTOPS="no-such-qtops")
    assert run.code == ExitCode.ERROR
    assert "alpha has no no-such-qtops" in run.err
    assert "a tunnel to its Redis will not do" in run.err
    assert site(*words, "--host", "alpha", "--via", "redis").code == ExitCode.ERROR


def test_with_via_qtops_nothing_falls_back(site):
    argv = ["audit", "streams", "--host", "alpha", "--via", "qtops"]
    run = site(*argv, QTOPS_REMOTE_QTOPS="no-such-qtops")
    assert (run.code, run.out) == (ExitCode.ERROR, "")


def test_another_release_is_refused_and_another_patch_is_not(site):
    major, minor, _ = __version__.split(".")
    other = site.program("other", f"#!/bin/sh\necho '{VERSION % '9.9.0'}'\n")
    run = site("trace", "--host", "alpha", QTOPS_REMOTE_QTOPS=other)
    assert (run.code, "alpha runs qtops 9.9.0" in run.err) == (ExitCode.ERROR, True)
    patch = ECHO.format(version=VERSION % f"{major}.{minor}.99")
    argv = ["trace", "--host", "alpha", "--json"]
    assert site(*argv, QTOPS_REMOTE_QTOPS=site.program("patch", patch)).code == ExitCode.OK


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("hello", 0),
        ('{"schema": "x/v1", "status": "ok", "exit_code": 0}', 2),
        ('{"status": "ok", "exit_code": 0}', 0),
        ('[{"schema": "x/v1"}]', 0),
        ("", 0),
        ('{"schema": "x/v1", "status": "ok", "exit_code": 77}', 77),
    ],
)
def test_what_is_no_document_of_ours_is_not_passed_on(site, document, code):
    program = answering(site, "liar", document, code)
    run = site("trace", "--host", "alpha", "--json", QTOPS_REMOTE_QTOPS=program)
    assert run.code == ExitCode.ERROR
    assert json.loads(run.out)["error"]["code"] in {"remote_not_qtops", "remote_died"}


def test_what_is_not_qtops_at_all_is_named(site):
    run = site("trace", "--host", "alpha", QTOPS_REMOTE_QTOPS="/bin/false")
    assert "does not answer `--version --json` as qtops does" in run.err


def test_several_hosts_make_one_table_and_the_worst_code(site, db):
    hosts = ["--host", "alpha", "--host", "changed", "--host", "alpha"]
    run = site("trace", *hosts, "--json")
    document = json.loads(run.out)
    assert run.code == document["exit_code"] == ExitCode.ERROR
    assert document["schema"] == "qtops.remote/v1"
    assert document["command"] == ["trace"]
    assert list(document["hosts"]) == ["alpha", "changed"]
    alpha, changed = document["hosts"].values()
    assert alpha["document"]["schema"] == "qtops.trace.refusals/v1"
    assert (alpha["exit_code"], alpha["error"]) == (0, None)
    assert changed["error"]["code"] == "ssh_host_key_changed"
    assert changed["document"] is None
    db.set("quantum:control:kill", "1")
    halted = site("kill", "status", "--host", "beta", *hosts, "--port", str(site.port)).out
    assert f"    qtops kill status --host beta --port {site.port}\n" in halted
    table = site("trace", *hosts).out
    assert "1 of 2 hosts: qtops trace" in table.splitlines()[0]
    assert "HOST KEY CHANGED" in table


def test_bare_remote_means_the_hosts_of_the_settings(site):
    settings = {"QTOPS_REMOTE_QTOPS": echo(site), "QTOPS_REMOTE_HOSTS": "alpha,beta"}
    run = site("trace", "--remote", "--json", **settings)
    assert list(json.loads(run.out)["hosts"]) == ["alpha", "beta"]
    assert run.code == ExitCode.OK


@pytest.mark.parametrize(
    "argv",
    [
        ["trace", "--remote"],
        ["trace", "--host", "-oProxyCommand=touch X"],
        ["trace", "--host", "a b"],
        ["trace", "--host", ""],
        ["trace", "--key", "k"],
        ["trace", "--host", "alpha", "--key", "/no/such/key"],
        ["trace", "--host", "alpha", "--via", "pigeon"],
        ["--sandbox", "trace", "--host", "alpha"],
        ["--redis", "redis://h", "trace", "--host", "alpha"],
        ["health", "--host", "alpha", "--textfile", "/tmp/x"],
        ["kill", "off", "--host", "alpha"],
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(site, argv):
    before = site.logins()
    run = site(*argv)
    assert (run.code, run.out) == (ExitCode.USAGE, "")
    assert site.logins() == before


def test_an_interrupt_ends_the_ssh_too(site):
    body = f"#!/bin/sh\ncase \"$*\" in *--version*) echo '{VERSION % __version__}';;"
    sleeper = site.program("sleeper", f"{body} *) touch {site.place}/asleep; sleep 60;; esac\n")
    alone = {"XDG_RUNTIME_DIR": "/nowhere/" + "x" * 80, "QTOPS_REMOTE_QTOPS": sleeper}
    command = [*QTOPS, "trace", "--host", "alpha"]
    ours = subprocess.Popen(command, env=site.environ(**alone), stderr=subprocess.PIPE)
    wait_for((site.place / "asleep").exists)
    children = Path(f"/proc/{ours.pid}/task/{ours.pid}/children").read_text().split()
    assert len(children) == 1
    ours.send_signal(signal.SIGINT)
    _, said = ours.communicate(timeout=10)
    assert (ours.returncode, said) == (130, b"interrupted: stopped by the operator\n")
    wait_for(lambda: not Path(f"/proc/{children[0]}").exists())


def test_the_order_of_exit_codes_knows_them_all():
    assert set(WORST_FIRST) == set(ExitCode)
    assert worst([0, 3, 2]) == ExitCode.UNHEALTHY
    assert worst([2, 1, 4]) == ExitCode.ERROR


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
