"""`qtops report`: what other commands print becomes pages."""

import json

import pytest

WORKS = (
    ("audit", "permits"),
    ("audit", "streams", "--interval", "0.1"),
    ("health", "--only", "redis,permits,heartbeats,kill,streams,snapshots"),
    ("kill", "status"),
    ("trace", "--why-no-trade"),
    ("trace", "nobody"),
)


def seeded(db):
    for n in range(3):
        plan = {"plan_id": f"p{n}", "decision": "EXECUTE", "symbol": "BTCUSDT", "side": "SELL"}
        db.xadd("quantum:stream:apply.plan", plan | {"qty": "1", "reduceOnly": "true"})
    db.xgroup_create("quantum:stream:apply.plan", "governor", id="0")
    said = {"plan_id": "p0", "gate": "governor", "allow": "false", "reason": "<b>no</b>"}
    db.xadd("quantum:stream:gate.decision", said)


@pytest.mark.parametrize("words", WORKS, ids=" ".join)
def test_real_documents_have_the_shape_that_their_layout_knows(shell, server, db, words):
    seeded(db)
    run = shell(*words, "--json", environ={"QTOPS_REDIS_URL": server.url})
    (shell.home / "work/saved.json").write_text(run.out)
    page = shell("report", "saved.json", "--format", "html")
    assert page.code == 0, page.err
    assert "does not have the shape" not in page.out
    assert page.out.startswith("<!doctype html>")
    assert "<b>no" not in page.out


def test_a_ledger_entry_and_an_error(shell):
    words = ("--objective", "o", "--risk-class", "READ_ONLY", "--blast-radius", "none")
    words += ("--changes-summary", "c", "--json", "--operation", "look")
    entry_id = shell("ledger", "append", *words).document["operation_id"]
    shown = shell("ledger", "show", entry_id, "--json")
    page = shell("report", "-", stdin=shown.out)
    assert page.code == 0
    assert page.out.startswith(f"# ✓ {entry_id} SUCCESS")
    fault = shell("ledger", "show", "OPS-2020-01-01-001", "--json")
    page = shell("report", "-", stdin=fault.out)
    assert page.out.startswith("# ✗ ERROR")
    assert "OPS-2020-01-01-001" in page.out


def test_the_format_follows_the_name_and_out_is_written_at_once(shell):
    document = {"schema": "qtops.x/v1", "status": "ok", "exit_code": 0, "password": "hunter2"}
    (shell.home / "work/x.json").write_text(json.dumps(document))
    run = shell("report", "x.json", "--out", "x.html")
    assert (run.code, run.out.split()[1]) == (0, "written")
    page = (shell.home / "work/x.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "hunter2" not in page
    assert shell("report", "render", "x.json").out.startswith("# ✓ OK")
    assert shell("report", "--format", "html", "x.json").out == page
    dry = shell("report", "x.json", "--out", "y.html", "--dry-run")
    assert (dry.code, (shell.home / "work/y.html").exists()) == (0, False)
    assert shell("report", "x.json", "--json").document["source_schema"] == "qtops.x/v1"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("{", 1, "not JSON"),
        ("[]", 1, "not a JSON object"),
        ("{}", 1, "no schema"),
        ('{"schema": "qtops.x/v1"}\n{"schema": "qtops.x/v1"}', 1, "not JSON"),
        ('{"schema": "qtops.proof.exit/v1"}', 1, "the payload"),
    ],
)
def test_what_is_no_document_is_refused(shell, text, code, words):
    run = shell("report", "-", stdin=text)
    assert (run.code, run.out) == (code, "")
    assert words in run.err


def test_a_missing_file_and_no_file_are_usage(shell):
    assert shell("report", "nowhere.json").code == 64
    assert shell("report").code == 64
    assert shell("report", "/").code == 64
    assert "render" in shell("report", "--help").out
