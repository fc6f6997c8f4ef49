"""`qtops ops`: real commands, real processes that are killed, a real ledger at the end."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FIRST = "OPS-2026-01-27-001"
QTOPS = [sys.executable, "-m", "qtops"]


def git(work, *words):
    who = ("-c", "user.name=t", "-c", "user.email=t@t")
    subprocess.run(["git", *who, *words], cwd=work, check=True, capture_output=True)


def declare(work, **changes):
    fields = {
        "operation": "Cluster threshold",
        "objective": "fewer denials",
        "risk_class": "FILESYSTEM_WRITE",
        "blast_radius": "p27",
        "rollback_strategy": "copy the backup back",
        "changes_summary": "0.7 to 0.8",
        "allowed_paths": [str(work / "app")],
    }
    (work / "d.yaml").write_text(json.dumps(fields | changes))  # JSON is YAML


class Ops:
    """`ops("step", …)` in this process on a stopped clock, `ops.process` as a real one."""

    def __init__(self, shell):
        self.work = shell.home / "work"
        self.shell = shell
        (self.work / "app").mkdir()
        self.env_file.write_text("0.7\n")
        shutil.copy(self.env_file, self.work / "app/p27.bak")
        git(self.work, "init", "-q", "-b", "main")
        git(self.work, "commit", "-q", "--allow-empty", "-m", "x")
        declare(self.work)

    @property
    def env_file(self):
        return self.work / "app/p27.env"

    def __call__(self, *argv, **rest):
        return self.shell("ops", *argv, **rest)

    def begin(self, *more, **rest):
        back = f"cp {self.work}/app/p27.bak {self.env_file}"
        return self("begin", "--from", "d.yaml", "--rollback-cmd", back, *more, **rest)

    def write(self, text, *more, **rest):
        script = f"echo {text} > app/p27.env; echo wrote {text}"
        return self("step", "--title", "write", *more, "--", "sh", "-c", script, **rest)

    def record(self, name=FIRST, place="open"):
        return json.loads((self.work / "ledger" / place / f"{name}.json").read_text())

    def entry(self, name=FIRST):
        return self.shell("ledger", "show", name, "--json").document["entry"]

    def process(self, *argv):
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.shell.home), "LANG": "C.UTF-8"}
        return subprocess.Popen(
            [*QTOPS, "ops", *argv],
            cwd=self.work,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def files(self):
        return {p for p in self.work.rglob("*") if p.is_file() and ".git" not in p.parts}


@pytest.fixture
def ops(shell):
    return Ops(shell)


def until(condition):
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_operation_that_works_ends_as_a_success_with_its_report_as_proof(ops):
    assert ops.begin().out.startswith(f"✓ open   {FIRST}\n")
    run = ops.write("0.8", "--verify", f"grep -q 0.8 {ops.env_file}")
    assert (run.code, run.out.splitlines()[0]) == (0, f"✓ PASS   step 1 of {FIRST}")
    run = ops("end", FIRST)
    assert (run.code, run.out.splitlines()[0]) == (0, f"✓ SUCCESS   {FIRST}")
    report = ops.work / f"ledger/operations/{FIRST}.md"
    [(path, proof)] = ops.entry()["proof_files"].items()
    assert path == f"ledger/operations/{FIRST}.md"
    assert proof["sha256"] == hashlib.sha256(report.read_bytes()).hexdigest()
    assert ops.entry()["outcome"] == "SUCCESS"
    assert "wrote 0.8" in report.read_text()
    assert ops.shell("ledger", "verify").code == 0
    assert ops("status").out.startswith("✓ 0 open")
    run = ops("status", FIRST)
    assert (run.code, run.out.splitlines()[0]) == (0, f"✓ ended   {FIRST}  Cluster threshold")


def test_a_failed_verification_rolls_back_and_the_entry_is_partial(ops):
    ops.begin()
    run = ops.write("0.8", "--verify", f"grep -q 0.9 {ops.env_file}")
    assert (run.code, run.out.splitlines()[0]) == (2, f"✗ FAIL, rolled back   step 1 of {FIRST}")
    assert ops.env_file.read_text() == "0.7\n"
    run = ops.write("0.9")
    assert run.code == 4
    assert "is rolled_back and takes no more steps" in run.err
    run = ops("end")
    assert run.code == 2
    entry = ops.entry()
    assert entry["outcome"] == "PARTIAL"
    assert entry["notes"] == "step 1 failed; rolled back by the declared commands"
    assert entry["rollback_ref"] == "copy the backup back"


def test_a_command_that_fails_is_not_verified_and_shows_what_it_said(ops):
    ops.begin()
    run = ops("step", "--title", "t", "--verify", "true", "--", "sh", "-c", "echo why; exit 7")
    assert run.code == 2
    assert "exit 7" in run.out
    assert "why" in run.out
    assert ops.record()["steps"][0]["verification"] is None


def test_a_failed_rollback_is_said_and_can_be_tried_again(ops):
    ops.begin()
    (ops.work / "app/p27.bak").rename(ops.work / "app/elsewhere")
    run = ops("step", "--title", "t", "--", "false")
    assert (run.code, run.out.splitlines()[0]) == (
        2,
        f"✗ FAIL, rollback failed   step 1 of {FIRST}",
    )
    assert ops("status").code == 2
    assert ops("rollback", "--yes").code == 2
    (ops.work / "app/elsewhere").rename(ops.work / "app/p27.bak")
    run = ops("rollback", "--yes")
    assert (run.code, run.out.splitlines()[0]) == (0, f"✓ rolled_back   {FIRST}")
    assert len(ops.record()["attempts"]) == 3
    assert ops("rollback", "--yes").code == 4


def test_a_rollback_stops_at_the_first_command_that_fails(ops):
    ops.begin("--rollback-cmd", "false", "--rollback-cmd", f"touch {ops.work}/app/never")
    ops("step", "--title", "t", "--", "false")
    assert [ran["exit_code"] for ran in ops.record()["attempts"][0]] == [0, 1]
    assert not (ops.work / "app/never").exists()


def test_a_rollback_asks_first(ops):
    ops.begin()
    ops.write("0.8")
    assert ops("rollback").code == 4
    assert ops("rollback", tty=True, stdin="n\n").code == 4
    assert ops("rollback", "--dry-run").code == 0
    assert ops.env_file.read_text() == "0.8\n"
    assert ops("rollback", tty=True, stdin="y\n").code == 0
    assert ops.env_file.read_text() == "0.7\n"
    assert ops("end").code == 2


def test_a_step_outside_the_scope_is_not_run_and_is_on_record(ops):
    ops.begin()
    target = ops.work / "outside"
    run = ops("step", "--title", "leave", "--", "touch", str(target))
    assert run.code == 4
    assert f"path {target} is outside the declared paths; nothing was run" in run.err
    assert not target.exists()
    for words in (
        ("--service", "nginx", "--", "true"),
        ("--path", "/srv/x", "--", "true"),
        ("--verify", "cat /etc/hosts", "--", "true"),
        ("--path", "/srv/x", "--record", "--result", "edited", "--pass"),
        ("--", "env", "systemctl", "restart", "nginx"),
    ):
        assert ops("step", "--title", "leave", *words).code == 4
    assert ops.record()["steps"] == []
    assert ops.record()["refusals"][0]["command"] == ["touch", str(target)]
    assert "refused  leave: path" in ops("status", FIRST).out


def test_a_step_done_by_hand_is_recorded_and_its_failure_is_rolled_back_as_well(ops):
    ops.begin()
    by_hand = ("step", "--title", "console", "--record")
    assert ops(*by_hand, "--result", "clicked", "--pass", "--verify", "true").code == 0
    ops.env_file.write_text("0.8\n")
    assert ops(*by_hand, "--result", "alarm", "--fail").code == 2
    assert ops.env_file.read_text() == "0.7\n"
    assert [s["result"] for s in ops.record()["steps"]] == ["clicked", "alarm"]


def test_options_after_the_dashes_belong_to_the_command(ops):
    ops.begin()
    assert ops("step", "--title", "t", "--", "echo", "--json", "-q", "--", "OPS-1").code == 0
    assert ops.record()["steps"][0]["command"] == ["echo", "--json", "-q", "--", "OPS-1"]


def test_a_step_past_its_limit_fails(ops):
    ops.begin()
    run = ops("step", "--title", "t", "--timeout", "1s", "--", "sleep", "600")
    assert run.code == 2
    assert "ended at its limit of 1 s" in run.out


def test_without_a_rollback_command_a_failure_stays_and_says_so(ops):
    run = ops("begin", "--from", "d.yaml")
    assert "a step that fails is not undone by itself" in run.out
    assert ops("step", "--title", "t", "--", "false").out.startswith("✗ FAIL, failed")
    run = ops("rollback", "--yes")
    assert run.code == 4
    assert "its strategy: copy the backup back" in run.err
    ops("end", "--partial", "restored by hand")
    assert ops.entry()["notes"] == "step 1 failed; not rolled back; restored by hand"


def test_an_id_is_reserved_from_the_beginning(ops):
    ops.begin()
    declared = ["--operation", "x", "--objective", "o", "--risk-class", "READ_ONLY"]
    append = ["ledger", "append", *declared, "--blast-radius", "b", "--changes-summary", "c"]
    assert "OPS-2026-01-27-002" in ops.shell(*append).out
    assert "OPS-2026-01-27-003" in ops.begin().out
    run = ops.shell(*append, "--operation-id", FIRST, "--again")
    assert run.code == 4
    assert "belongs to an operation that has not ended" in run.err


def test_an_operation_that_ends_in_a_later_month_leaves_the_views_intact(ops):
    ops.begin()
    ops.begin()
    declared = ["--operation", "x", "--objective", "o", "--risk-class", "READ_ONLY"]
    append = ["ledger", "append", *declared, "--blast-radius", "b", "--changes-summary", "c"]
    for number in (1, 2):
        name = f"OPS-2026-02-01-00{number}"
        assert ops.shell(*append, "--operation-id", name).code == 0
        assert ops("end", f"OPS-2026-01-27-00{3 - number}").code == 2
        run = ops.shell("ledger", "verify")
        assert run.code == 0, run.out


def test_open_operations_are_listed_as_obligations(ops):
    assert ops.shell("ledger", "list", "--open").out == "✓ 0 open\n"
    ops.begin("--by", "anna")
    run = ops.shell("ledger", "list", "--open")
    assert run.code == 0
    assert f"{FIRST}  Cluster threshold, open for 0 ms, anna" in run.out
    assert f"qtops ops end {FIRST}" in run.out
    document = ops.shell("ledger", "list", "--open", "--json").document
    assert (document["count"], document["open"][0]["operation_id"]) == (1, FIRST)


def test_of_several_open_operations_one_must_be_named(ops):
    assert ops("step", "--title", "t", "--", "true").code == 64
    ops.begin()
    ops.begin()
    run = ops("step", "--title", "t", "--", "true")
    assert run.code == 64
    assert f"{FIRST}, OPS-2026-01-27-002" in run.err
    assert ops("step", FIRST, "--title", "t", "--", "true").code == 0
    assert ops("end", "OPS-2026-01-27-009").code == 1
    assert ops("end", "../../etc/x").code == 64


def test_dry_runs_touch_nothing(ops):
    before = ops.files()
    assert ops.begin("--dry-run").code == 0
    assert ops.files() == before
    ops.begin()
    before = {path: path.read_bytes() for path in ops.files()}
    assert ops.write("0.8", "--dry-run").code == 0
    assert ops("step", "--title", "t", "--dry-run", "--", "touch", "/etc/x").code == 4
    assert ops("rollback", "--dry-run").code == 0
    run = ops("end", "--dry-run")
    assert run.out.startswith(f"! dry run: would record PARTIAL   {FIRST}")
    assert {path: path.read_bytes() for path in ops.files()} == before


def test_an_end_that_was_cut_off_after_the_entry_ends_once(ops):
    ops.begin()
    ops.write("0.8")
    cut = ops.record()
    ops("end")
    path = ops.work / f"ledger/open/{FIRST}.json"
    path.write_text(json.dumps(cut))  # as if the power had gone before the file was moved
    git(ops.work, "commit", "-q", "--allow-empty", "-m", "meanwhile")
    run = ops("end")
    assert (run.code, "recorded before" in run.out) == (0, True)
    assert not path.exists()
    assert ops.shell("ledger", "verify").code == 0
    assert ops.shell("ledger", "list", "--json").document["total"] == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("begin", "--from", "nope.yaml"), "nope.yaml"),
        (("begin", "--from", "d.yaml", "--risk-class", "ROOT"), "'ROOT' is not one of"),
        (("begin", "--from", "d.yaml", "--changes-summary", ""), "changes_summary is missing"),
        (("begin", "--from", "d.yaml", "--rollback-cmd", "no-such-program"), "no program"),
        (("begin", "--from", "d.yaml", "--rollback-cmd", "echo 'x"), "no closing quotation"),
        (("begin", "--from", "d.yaml", "--rollback-cmd", "echo token=abcd"), "secret"),
        (("step", "--title", "t"), "needs -- COMMAND"),
        (("step", "--title", " ", "--", "true"), "--title is empty"),
        (("step", "--title", "t", "--", "no-such-program"), "no program"),
        (("step", "--title", "t", "--record"), "--record needs --result"),
        (("step", "--title", "t", "--record", "--result", "x", "--pass", "--", "true"), "by hand"),
        (("step", "--title", "t", "--pass", "--", "true"), "belong to --record"),
        (("step", "--title", "t", "--timeout", "soon", "--", "true"), "--timeout"),
        (("status", "x"), "no operation id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value)[:60],
)
def test_a_wrong_command_line_is_usage_and_starts_nothing(ops, words, why):
    if words[0] == "step":
        ops.begin()
    run = ops(*words)
    assert run.code == 64
    assert why in run.err
    assert "ledger/open" not in str(ops.files()) or ops.record()["steps"] == []


def test_a_rollback_outside_the_scope_is_refused_at_the_beginning(ops):
    run = ops.begin("--rollback-cmd", "rm /etc/x")
    assert run.code == 4
    assert "path /etc/x is outside" in run.err


def test_a_class_that_wants_a_second_person_needs_one_or_an_exception_on_record(ops):
    policy = {"QTOPS_LEDGER_POLICY": "FILESYSTEM_WRITE"}
    run = ops.begin(environ=policy)
    assert run.code == 4
    assert "--exception" in run.err
    strict = policy | {"STRICT_LEDGER": "true"}
    assert ops.begin("--exception", "at night", environ=strict).code == 4
    two = ("--requested-by", "anna", "--approved-by", "ben")
    assert ops.begin(*two, "--dry-run", environ=strict).code == 0
    assert ops.begin("--exception", "at night", environ=policy).code == 0
    ops.write("0.8", environ=policy)
    ops("end", environ=policy)
    assert ops.entry()["notes"] == "exception to the approval policy: at night"
    assert "policy" in ops.entry()["validation_warnings"][0]


def test_secrets_reach_neither_record_nor_report(ops):
    ops.begin("--notes", "token=s3cr3tvalue")
    ops("step", "--title", "password=s3cr3tvalue", "--", "echo", "api_key=s3cr3tvalue")
    ops("step", "--title", "t", "--", "touch", "/etc/token=s3cr3tvalue")
    ops("end")
    for path in ops.files():
        assert b"s3cr3tvalue" not in path.read_bytes(), path


def test_json_is_one_document_each(ops):
    document = ops.begin("--dry-run", "--json").document
    assert (document["operation_id"], document["operation"]["state"]) == (None, "open")
    document = ops.begin("--json").document
    assert (document["schema"], document["operation_id"]) == ("qtops.ops.begin/v1", FIRST)
    document = ops.write("0.8", "--json").document
    assert (document["status"], document["operation"]["state"]) == ("pass", "open")
    assert ops("status", "--json").document["open"][0]["state"] == "open"
    document = ops("step", "--title", "t", "--json", "--", "touch", "/etc/x").document
    assert document["error"]["code"] == "refused"
    document = ops("end", "--json").document
    assert (document["status"], document["entry"]["operation_id"]) == ("success", FIRST)


def test_killed_in_mid_step_it_is_running_until_its_command_ends_and_then_interrupted(ops):
    ops.begin()
    script = f"echo $$ > {ops.work}/app/pid; sleep 600"
    process = ops.process("step", "--title", "long", "--", "sh", "-c", script)
    pid_file = ops.work / "app/pid"
    until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert ops.record()["steps"][0]["verdict"] == "STARTED"
    try:
        assert ops("status", "--json").document["open"][0]["state"] == "running"
        for words in (("end",), ("rollback", "--yes"), ("step", "--title", "t", "--", "true")):
            run = ops(*words)
            assert run.code == 1
            assert f"a command of {FIRST} is still running" in run.err
    finally:
        os.killpg(int(pid_file.read_text()), signal.SIGKILL)
    until(lambda: ops("status", "--json").document["open"][0]["state"] == "interrupted")
    assert ops("status").code == 2
    assert ops.write("0.9").code == 4
    assert ops("rollback", "--yes").code == 0
    assert ops("end").code == 2
    assert ops.entry()["notes"].startswith("step 1 was interrupted, its result is UNKNOWN; rolled")


def test_interrupted_from_the_keyboard_the_command_is_ended_too(ops):
    ops.begin()
    script = f"echo $$ > {ops.work}/app/pid; exec sleep 600"
    process = ops.process("step", "--title", "long", "--", "sh", "-c", script)
    pid_file = ops.work / "app/pid"
    until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    assert not Path("/proc", pid_file.read_text().strip()).exists()
    assert ops("status", "--json").document["open"][0]["state"] == "interrupted"


def test_two_steps_at_once_on_one_operation_are_not_taken(ops):
    ops.begin()
    go = ops.work / "app/go"
    wait = f"until [ -e {go} ]; do sleep 0.05; done"
    first = ops.process("step", "--title", "first", "--", "sh", "-c", wait)
    until(lambda: len(ops.record()["steps"]) == 1)
    run = ops("step", "--title", "second", "--", "true")
    assert run.code == 1
    go.touch()
    assert first.wait() == 0
    first.communicate()
    assert [s["title"] for s in ops.record()["steps"]] == ["first"]


def test_operations_begun_at_once_have_different_ids(ops):
    runs = [ops.process("begin", "--from", "d.yaml", "--json") for _ in range(4)]
    answers = [json.loads(run.communicate()[0]) for run in runs]
    assert len({answer["operation_id"] for answer in answers}) == 4
