"""`qtops ledger`: real processes, real git, a real page; nothing of it needs Redis or systemd."""

import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from qtops.ledger.markdown import entry_blocks
from qtops.sandbox.redis_server import EmbeddedRedis

SAMPLES = Path(__file__).parents[1] / "ledger" / "samples"
BASE = {
    "operation": "P2.7 deploy",
    "objective": "clusters",
    "risk-class": "READ_ONLY",
    "blast-radius": "nothing",
    "changes-summary": "0.7 to 0.8",
}


def options(**changes):
    given = BASE | {name.replace("_", "-"): value for name, value in changes.items()}
    return [word for name, value in given.items() for word in (f"--{name}", value)]


@pytest.fixture
def ledger(shell):
    work = shell.home / "work"
    git(work, "init", "-q", "-b", "main")
    git(work, "commit", "-q", "--allow-empty", "-m", "x")

    def run(*argv, **rest):
        return shell("ledger", *argv, **rest)

    run.work = work
    return run


def git(work, *words):
    who = ("-c", "user.name=t", "-c", "user.email=t@t")
    return subprocess.run(
        ["git", *who, *words], cwd=work, check=True, capture_output=True, text=True
    )


def page(ledger):
    return (ledger.work / "docs/OPS_CHANGELOG.md").read_text()


def files(ledger):
    return {
        p: p.read_bytes()
        for p in ledger.work.rglob("*")
        if p.is_file() and p.name not in (".lock", ".views") and ".git" not in p.parts
    }


def program(folder, name, body):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(ledger, tmp_path, monkeypatch):
    """A systemctl, a host name and a commit as in the founding samples."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    program(bin_dir, "systemctl", 'echo "${STATE:-active}"; [ "${STATE:-active}" = active ]')
    monkeypatch.setenv("PATH", f"{bin_dir}:{os.environ['PATH']}")
    monkeypatch.setattr("socket.gethostname", lambda: "quantumtrader-prod-1")
    return bin_dir


def test_recorded_listed_shown_verified(ledger):
    assert ledger("append", *options()).out == "✓ recorded   OPS-2026-01-27-001\n"
    assert "OPS-2026-01-27-001" in ledger("list").out
    assert "objective: clusters" in ledger("show", "OPS-2026-01-27-001").out
    run = ledger("verify")
    assert (run.code, run.out[:8]) == (0, "✓ intact")
    assert ledger("show", "OPS-2026-01-27-002").code == 1


def test_the_same_operation_is_recorded_once(ledger):
    ledger("append", *options())
    run = ledger("append", *options())
    assert (run.code, run.out) == (0, "✓ already recorded   OPS-2026-01-27-001\n")
    run = ledger("append", *options(operation_id="OPS-2026-01-27-001"))
    assert (run.code, run.out) == (0, "✓ already recorded   OPS-2026-01-27-001\n")
    run = ledger("append", *options(operation_id="OPS-2026-01-27-001", objective="other"))
    assert run.code == 2
    assert "objective: recorded 'clusters', given 'other'" in run.out
    assert ledger("append", *options(), "--again").out.endswith("-002\n")


def test_an_id_that_begins_like_another_is_not_it(ledger):
    ledger("append", *options(operation_id="OPS-2026-01-27-1000"))
    assert ledger("append", *options(operation_id="OPS-2026-01-27-100")).out.startswith(
        "✓ recorded"
    )
    assert ledger("append", *options(objective="z")).out.endswith("-1001\n")


@pytest.mark.parametrize("bad", ["OPS-2026-01-27-1", "OPS-1", "OPS-2026-01-27-0001"])
def test_a_bad_id_is_usage(ledger, bad):
    assert ledger("append", *options(operation_id=bad)).code == 64


def test_old_spellings_and_several_values(ledger, machine):
    words = [w.replace("-", "_") if w.startswith("--") else w for w in options()]
    words = [w.replace("__", "--", 1) for w in words]
    run = ledger("append", *words, "--allowed_services", "a", "b,c", "--allowed_paths=/x", "/y")
    assert run.code == 0
    [entry] = (ledger("show", "OPS-2026-01-27-001", "--json").document["entry"],)
    assert entry["allowed_services"] == ["a", "b", "c"]
    assert entry["allowed_paths"] == ["/x", "/y"]
    assert entry["services_status"] == {"a": "active", "b": "active", "c": "active"}


def test_dry_run_touches_nothing(ledger):
    run = ledger("append", *options(), "--dry-run")
    assert run.code == 0
    assert "operation_id: OPS-2026-01-27-001" in run.out
    assert files(ledger) == {}


def test_a_reader_writes_nothing(ledger):
    for words in (["list"], ["verify"], ["render", "--dry-run"]):
        assert ledger(*words).code == 0
    assert files(ledger) == {}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ([], "requires --rollback-of"),
        (["--rollback-of", "INVALID"], "format"),
        (["--rollback-of", "OPS-2026-01-26-001"], "names no entry"),
        (["--rollback-of", "OPS-2026-01-27-001"], "already rolled back"),
    ],
)
def test_a_rollback_must_name_what_can_be_rolled_back(ledger, more, why):
    ledger("append", *options())
    back = ["append", *options(operation="back", outcome="ROLLBACK")]
    assert ledger(*back, "--rollback-of", "OPS-2026-01-27-001").err == ""
    back = ["append", *options(operation="again", outcome="ROLLBACK"), *more]
    before = files(ledger)
    run = ledger(*back, "--strict")
    assert (run.code, files(ledger)) == (1, before)
    assert why in run.err
    assert ledger(*back, environ={"STRICT_LEDGER": "true"}).code == 1
    run = ledger(*back, "--json")
    assert run.code == 0
    assert why in run.err
    assert why in run.document["entry"]["validation_warnings"][0]


def test_a_success_with_a_dead_service_is_refused_or_marked(ledger, machine, monkeypatch):
    monkeypatch.setenv("STATE", "failed")
    words = ["append", *options(), "--allowed-services", "quantum-x"]
    run = ledger(*words, "--strict")
    assert run.code == 1
    assert "quantum-x is failed on quantumtrader-prod-1" in run.err
    assert files(ledger) == {}
    assert ledger(*words, "--json").document["validation_warnings"]
    assert ledger("append", *options(outcome="PARTIAL"), "--strict").code == 0


def test_evidence_that_fails_is_a_failure_on_record(ledger):
    more = ["--proof-path", "nope.txt", "--metrics-urls", "file:///etc/hosts"]
    run = ledger("append", *options(), *more, "--json")
    failures = run.document["entry"]["evidence_failures"]
    assert any("nope.txt" in text for text in failures)
    assert any("only http" in text for text in failures)
    assert ledger("append", *options(objective="o"), *more, "--strict").code == 1


def test_approval(ledger):
    run = ledger("append", *options(requested_by="ann", approved_by="Ann"), "--require-approval")
    assert run.code == 4
    policy = {"QTOPS_LEDGER_POLICY": "READ_ONLY"}
    assert ledger("append", *options(), "--strict", environ=policy).code == 4
    entry = ledger("append", *options(), "--json", environ=policy).document["entry"]
    assert entry["validation_warnings"][0].startswith("policy:")
    words = options(requested_by="ann", approved_by="bob")
    entry = ledger("append", *words, "--require-approval", "--json", environ=policy).document[
        "entry"
    ]
    assert "validation_warnings" not in entry


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"# HELP x\np27_corr_ready 1.0\nother 2\np27_clusters_count 1.0\n")

    def log_message(self, *words):
        pass


def test_the_founding_deploy_from_its_inputs(ledger, machine, monkeypatch):
    """Time frozen; git, host and Redis answer as they did then."""
    sample = yaml.safe_load((SAMPLES / "deploy.yaml").read_text())
    program(machine, "git", 'case "$*" in *short*) echo a1b2c3d4;; *) echo main;; esac')
    proof = ledger.work / "proof.txt"
    proof.write_bytes(b"x" * 15234)
    stamp = sample["proof_file"]["mtime_utc"].timestamp()
    os.utime(proof, (stamp, stamp))

    async def reply(self, words):
        return ["cluster_stress", "0.788493010732072", "updated_ts", "1769492127"]

    monkeypatch.setattr("qtops.wiring.ledger.ReadOnlyRedis.ask", reply)
    monkeypatch.setattr("qtops.cli.context.AppContext.now_ms", lambda _: 1_769_494_530_000)
    with HTTPServer(("127.0.0.1", 0), Metrics) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        run = ledger(
            "append",
            *options(
                operation=sample["operation_name"],
                operation_id=sample["operation_id"],
                objective=sample["objective"],
                risk_class=sample["risk_class"],
                blast_radius=sample["blast_radius"],
                changes_summary=sample["changes_summary"],
                proof_path="proof.txt",
                metrics_urls=url,
                redis_cmds="HGETALL quantum:portfolio:cluster_state",
                notes=sample["notes"],
            ),
            "--metrics_grep",
            "p27_corr_ready",
            "p27_clusters_count",
            "--allowed_paths",
            *sample["allowed_paths"],
            "--allowed_services",
            *sample["allowed_services"],
            "--strict",
        )
        server.shutdown()
    assert (run.code, run.err) == (0, "")
    [block] = entry_blocks(page(ledger))
    made = yaml.safe_load(block.body)
    made["metrics_snapshot"] = made["metrics_snapshot"].replace(
        url, "http://127.0.0.1:8048/metrics"
    )
    assert len(made["proof_file"].pop("sha256")) == len(sample["proof_file"].pop("sha256"))
    assert {name: made[name] for name in sample} == sample
    assert list(made)[: len(sample)] == list(sample)


def process(work, *words, **rest):
    command = [sys.executable, "-m", "qtops", "ledger", "append", "--root", str(work), *words]
    return subprocess.Popen(
        command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **rest
    )


@pytest.mark.timeout(120)
def test_fifty_parallel_appends_keep_fifty_entries(ledger):
    running = [process(ledger.work, *options(operation=f"op {n}")) for n in range(50)]
    assert [p.communicate() and p.returncode for p in running] == [0] * 50
    entries = ledger("list", "--limit", "99", "--json").document["entries"]
    assert len({e["operation_id"] for e in entries}) == 50
    assert len({e["operation_name"] for e in entries}) == 50
    assert ledger("verify").code == 0


@pytest.mark.timeout(120)
def test_killed_at_any_moment_the_ledger_is_whole_and_free(ledger):
    ledger("append", *options())
    for round_number in range(12):
        victim = process(ledger.work, *options(operation=f"victim {round_number}"))
        try:
            victim.communicate(timeout=0.15 + 0.05 * round_number)
        except subprocess.TimeoutExpired:
            victim.send_signal(signal.SIGKILL)
            victim.communicate()
        assert ledger("append", *options(operation=f"after {round_number}")).code == 0
        assert ledger("verify").code == 0


FAILING = """
import os, sys
from pathlib import Path
import qtops.ledger.store as store
os.chdir(sys.argv[1])
real = getattr(store, sys.argv[2])
def die(*a, **k):
    if sys.argv[3] == "after": real(*a, **k)
    os.kill(os.getpid(), 9)
setattr(store, sys.argv[2], die)
entry = {"outcome": "SUCCESS", "operation_name": "x", "risk_class": "READ_ONLY"}
store.Ledger(Path(".")).append(store.Draft(entry, "2026-01-27"))
"""


@pytest.mark.parametrize("step", ["append_line", "replace_file"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_between_two_steps(ledger, step, when):
    ledger("append", *options())
    done = subprocess.run(
        [sys.executable, "-c", FAILING, str(ledger.work), step, when], check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert ledger("append", *options(operation="next")).code == 0
    kept = 2 if (step, when) == ("append_line", "before") else 3
    assert ledger("list", "--json").document["total"] == kept
    assert ledger("verify").code == 0


def test_a_torn_line_is_set_aside(ledger):
    ledger("append", *options())
    log = ledger.work / "ledger/log.jsonl"
    log.write_bytes(log.read_bytes() + b'{"half')
    assert ledger("verify").code == 2
    run = ledger("append", *options(operation="next"))
    assert "unfinished last line" in run.err
    assert [p.read_bytes() for p in (ledger.work / "ledger").glob("log.torn-at-*")] == [b'{"half']
    assert ledger("verify").code == 0


def test_views_come_back_byte_for_byte(ledger):
    for number in range(3):
        ledger("append", *options(operation=f"op {number}", notes="```\na: b\n"))
    views = files(ledger)
    for path in ("docs/OPS_CHANGELOG.md", "ledger/2026-01.yaml"):
        (ledger.work / path).unlink()
    assert ledger("verify").code == 2
    assert ledger("render").code == 0
    assert files(ledger) == views


@pytest.mark.parametrize("path", ["docs/OPS_CHANGELOG.md", "ledger/2026-01.yaml"])
def test_an_edited_view_is_found(ledger, path):
    ledger("append", *options())
    ledger("append", *options(operation="op 2"))
    view = ledger.work / path
    view.write_text(view.read_text().replace("P2.7 deploy", "forged"))
    run = ledger("verify")
    assert run.code == 2
    assert "OPS-2026-01-27-001" in run.out
    assert ledger("render").code == 0
    assert ledger("verify").code == 0


def test_prose_is_left_alone(ledger):
    (ledger.work / "docs").mkdir()
    text = "# Mine\r\n\n---\n## 2026-01\nmine too\n```yaml\nx: 1\n"
    (ledger.work / "docs/OPS_CHANGELOG.md").write_text(text + "```\n", newline="")
    ledger("append", *options())
    ledger("append", *options(operation="2"))
    raw = (ledger.work / "docs/OPS_CHANGELOG.md").read_bytes().decode()
    first, rest = raw.split("\n## 2026-01\n")
    assert first + "\n" == text.split("## 2026", maxsplit=1)[0]
    assert rest.endswith("mine too\n```yaml\nx: 1\n```\n")


def test_expect_head_finds_a_cut_tail(ledger):
    ledger("append", *options())
    head = ledger("append", *options(operation="2"), "--json").document["head"]
    log = ledger.work / "ledger/log.jsonl"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    ledger("render")
    assert ledger("verify").code == 0
    assert ledger("verify", "--expect-head", head).code == 2


def test_a_secret_is_masked(ledger):
    run = ledger("append", *options(notes="see redis://u:hunter2@h"))
    assert "masked in notes" in run.err
    assert "hunter2" not in page(ledger)


@pytest.mark.parametrize("form", ["jsonl", "yaml", "md"])
def test_export(ledger, form):
    ledger("append", *options())
    assert ledger("export", "--format", form, "--out", f"x.{form}").code == 0
    text = (ledger.work / f"x.{form}").read_text()
    assert "OPS-2026-01-27-001" in text
    if form == "jsonl":
        assert json.loads(text)["objective"] == "clusters"
    assert ledger("export", "--format", "csv", "--out", "x").code == 64


# --- import ---------------------------------------------------------------------------------------

BROKEN = """# Ops

## 2026-01

```yaml
---
operation_id: OPS-2026-01-20-002
operation_name: P2.8: budget
execution_timestamp: 2026-01-20T10:00:00Z
risk_class: READ_ONLY
outcome: SUCCESS
allowed_services:
  - a
notes: base_budget: $9
```

```yaml
---
operation_id: OPS-2026-01-20-001
operation_name: whole
execution_timestamp: 2026-01-20T09:00:00Z
risk_class: READ_ONLY
outcome: SUCCESS
git_commit: 1234e567
```

```yaml
operation_id: OPS-YYYY-MM-DD-NNN
operation_name: template
```
"""


def test_import_lists_what_is_broken_and_fix_corrects_it(ledger):
    (ledger.work / "docs").mkdir()
    (ledger.work / "docs/OPS_CHANGELOG.md").write_text(BROKEN)
    run = ledger("import", "docs/OPS_CHANGELOG.md", "--dry-run", "--json")
    assert run.code == 2
    assert [(b["line"], b["operation_id"]) for b in run.document["broken"]] == [
        (5, "OPS-2026-01-20-002"),
        (27, "OPS-YYYY-MM-DD-NNN"),
    ]
    assert not (ledger.work / "ledger").exists()
    run = ledger("import", "docs/OPS_CHANGELOG.md")
    assert run.code == 2
    assert "line 5: OPS-2026-01-20-002 is no YAML: mapping values are not allowed" in run.out
    assert page(ledger).count("operation_name: P2.8: budget") == 1
    run = ledger("import", "docs/OPS_CHANGELOG.md", "--fix", "--json")
    assert run.document["imported"] == ["OPS-2026-01-20-002"]
    assert [c["operation_id"] for c in run.document["changes"]] == ["OPS-2026-01-20-002"]
    entry = ledger("show", "OPS-2026-01-20-002", "--json").document["entry"]
    assert entry["operation_name"] == "P2.8: budget"
    assert entry["notes"] == "base_budget: $9"
    assert entry["allowed_services"] == ["a"]
    assert len(entry["import_changes"]) == 2
    entry = ledger("show", "OPS-2026-01-20-001", "--json").document["entry"]
    assert entry["git_commit"] == "1234e567"
    assert page(ledger).count("OPS-2026-01-20-001") == 1
    assert "OPS-YYYY-MM-DD-NNN" in page(ledger)
    assert ledger("verify").code == 0


@pytest.mark.parametrize("view", ["docs/OPS_CHANGELOG.md", "ledger/2026-01.yaml"])
def test_a_view_imports_back_to_the_same_log(ledger, tmp_path, view):
    for number in range(3):
        ledger("append", *options(operation=f"op {number}", notes="a: b\n```\n"))
    other = tmp_path / "other"
    other.mkdir()
    assert ledger("import", str(ledger.work / view), "--root", str(other)).code == 0
    log = (ledger.work / "ledger/log.jsonl").read_bytes()
    assert (other / "ledger/log.jsonl").read_bytes() == log


# --- signatures and tags --------------------------------------------------------------------------


@pytest.fixture
def keys(ledger):
    lines = []
    for name in ("ann", "bob", "eve"):
        path = ledger.work / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
        subprocess.run(command, check=True)
        if name != "eve":
            kind, blob, _ = path.with_suffix(".pub").read_text().split()
            lines.append(f'{name} namespaces="qtops-ledger@v1" {kind} {blob}\n')
    (ledger.work / "allowed").write_text("".join(lines))


def test_signed_by_a_second_person(ledger, keys):
    ledger("append", *options(requested_by="ann", approved_by="bob"))
    one = "OPS-2026-01-27-001"
    check = ("verify", "--allowed-signers", "allowed", "--require-approval")
    assert "nobody but its requester" in ledger(*check).out
    refused = ledger("sign", one, "--key", "ann", "--identity", "ann", "--require-approval")
    assert refused.code == 4
    assert ledger("sign", one, "--key", "ann", "--identity", "ann").code == 0
    assert ledger(*check).code == 2
    assert ledger("sign", one, "--key", "bob", "--identity", "bob").code == 0
    assert ledger("sign", one, "--key", "bob", "--identity", "bob").out.startswith(
        "✓ already signed"
    )
    run = ledger(*check)
    assert (run.code, run.out[:8]) == (0, "✓ intact")
    assert "identity: bob" in page(ledger)
    assert ledger("append", *options(operation="2")).code == 0
    assert ledger("verify", "--allowed-signers", "allowed").code == 0


def test_a_foreign_key_does_not_hold(ledger, keys):
    ledger("append", *options())
    ledger("sign", "OPS-2026-01-27-001", "--key", "eve", "--identity", "bob")
    run = ledger("verify", "--allowed-signers", "allowed")
    assert run.code == 2
    assert "signature of bob does not hold" in run.out


def test_a_key_that_is_not_there_is_an_error(ledger):
    ledger("append", *options())
    assert ledger("sign", "OPS-2026-01-27-001", "--key", "nope", "--identity", "x").code == 1
    assert ledger("verify", "--require-approval").code == 64


def test_a_tag_finds_a_cut_tail(ledger):
    git(ledger.work, "config", "user.name", "t")
    git(ledger.work, "config", "user.email", "t@t")
    ledger("append", *options())
    ledger("append", *options(operation="2", notes="# no comment\n# lost\n"))
    assert ledger("tag", "OPS-2026-01-27-002", "--dry-run").out.startswith("would tag")
    assert ledger("tag", "OPS-2026-01-27-002").out.startswith("✓ tagged   ops-2026-01-27-002")
    assert ledger("tag", "OPS-2026-01-27-002").out.startswith("✓ already tagged")
    assert "# lost" in git(ledger.work, "tag", "-n99", "-l", "ops-2026-01-27-002").stdout
    assert ledger("verify").code == 0
    log = ledger.work / "ledger/log.jsonl"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    ledger("render")
    run = ledger("verify")
    assert run.code == 2
    assert "tag ops-2026-01-27-002 the recorded head" in run.out


def test_a_tag_without_a_hash_says_nothing(ledger):
    ledger("append", *options())
    git(ledger.work, "tag", "-a", "ops-2026-01-26-001", "-m", "by hand")
    assert ledger("verify").code == 0


def test_redis_is_asked_only_what_reads(ledger):
    with EmbeddedRedis() as server:
        words = ["--redis-cmds", "GET x", "SET x 1", "FLUSHALL"]
        run = ledger(
            "append", *options(), *words, "--json", environ={"QTOPS_REDIS_URL": server.url}
        )
    entry = run.document["entry"]
    assert entry["redis_snapshot"] == "# redis-cli GET x\n(nil)\n"
    failures = [text for text in entry["evidence_failures"] if text.startswith("redis")]
    assert len(failures) == 2
    assert all("no read-only command" in text for text in failures)
