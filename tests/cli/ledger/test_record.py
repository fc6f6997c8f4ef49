"""`ledger append|list|show|export`: what is recorded, once, under which id, without secrets."""

import json

import pytest

from qtops.sandbox.redis_server import EmbeddedRedis
from tests.cli.ledger.conftest import files, options, page


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
