"""Ledgers that were written by hand or by the original tool."""

import pytest

from tests.cli.ledger.conftest import SAMPLES, options, page

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
        (5, "OPS-2026-01-20-002")
    ]
    assert run.document["templates"] == [{"line": 27, "operation_id": "OPS-YYYY-MM-DD-NNN"}]
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


# --- a page in the shape of the original tool's --------------------------------------------------

NO_YAML = [f"OPS-2026-01-27-{n:03d}" for n in (12, 10, 8, 7, 3, 2, 1)]


@pytest.fixture
def original(ledger):
    """13 entries, 7 of them no YAML, and a template; it stands where the view will."""
    (ledger.work / "docs").mkdir()
    text = (SAMPLES / "original_page.md").read_text()
    (ledger.work / "docs/OPS_CHANGELOG.md").write_text(text)
    return text


def test_of_the_original_page_the_broken_entries_are_listed_and_the_rest_is_taken(ledger, original):
    run = ledger("import", "docs/OPS_CHANGELOG.md", "--json")
    assert run.code == 2
    assert [b["operation_id"] for b in run.document["broken"]] == NO_YAML
    lines = original.splitlines()
    for row in run.document["broken"]:
        assert lines[row["line"] - 1] == "```yaml"
        assert f"operation_id: {row['operation_id']}" in lines[row["line"] + 1]
        assert "mapping values are not allowed" in row["reason"]
    taken = ["004", "005", "006", "009", "011", "013"]
    assert [name[-3:] for name in run.document["imported"]] == taken
    assert [t["operation_id"] for t in run.document["templates"]] == ["OPS-YYYY-MM-DD-NNN"]
    for name in NO_YAML:
        assert page(ledger).count(f"operation_id: {name}\n") == 1
    assert ledger("verify").code == 0


def test_the_original_page_is_taken_whole_with_fix(ledger, original):
    run = ledger("import", "docs/OPS_CHANGELOG.md", "--fix", "--json")
    assert (run.code, run.document["broken"]) == (0, [])
    assert [name[-3:] for name in run.document["imported"]] == [f"{n:03d}" for n in range(1, 14)]
    assert sorted(c["operation_id"] for c in run.document["changes"]) == sorted(NO_YAML)
    assert ledger("verify").code == 0
    assert ledger("render").out.startswith("✓ current")
    text = page(ledger)
    assert text.startswith(original.split("## 2026-01")[0])
    assert text.endswith(original[original.index("---\n\n## How to write one") :])
    again = ledger("import", "docs/OPS_CHANGELOG.md", "--json").document
    assert (again["imported"], again["broken"], len(again["known"])) == ([], [], 13)
    assert ledger("append", *options()).out.endswith("OPS-2026-01-27-014\n")


@pytest.mark.parametrize(
    ("number", "name", "value"),
    [
        (12, "operation_name", "P2.9: allocation targets"),
        (12, "risk_class", "SERVICE_RESTART + FILESYSTEM_WRITE"),
        (12, "services_status", {"app-gate,app-alloc": "inactive"}),
        (11, "git_commit", "pending"),
        (11, "deploy_started_utc", "2026-01-27T19:21:40Z"),
        (11, "verified_live_utc", "2026-01-27T19:29:12Z"),
        (11, "commits", ["0a1b2c3d", "4e5f6071"]),
        (11, "rollback_ref", "git revert 4e5f6071"),
        (10, "changes_summary", "MAX_NOTIONAL: 500 to 400, STEP: 25"),
        (6, "proof_file", {"sha256": "pending", "size_bytes": 0}),
        (3, "evidence_commands", ["redis-cli GET a: said: yes", "uptime"]),
        (2, "blast_radius", "none: the service is off: no orders"),
    ],
)
def test_what_stood_in_the_original_page_stands_in_the_entry(ledger, original, number, name, value):
    ledger("import", "docs/OPS_CHANGELOG.md", "--fix")
    entry = ledger("show", f"OPS-2026-01-27-{number:03d}", "--json").document["entry"]
    assert entry[name] == value


def test_a_person_reads_what_was_changed_and_how_to_take_the_rest(ledger, original):
    out = ledger("import", "docs/OPS_CHANGELOG.md", "--dry-run").out
    assert out.startswith("! dry run: incomplete   6 new, 0 known, 7 broken\n")
    assert "    qtops ledger import docs/OPS_CHANGELOG.md --fix\n" in out
    assert "OPS-YYYY-MM-DD-NNN is a template, no entry; left out" in out
    out = ledger("import", "docs/OPS_CHANGELOG.md", "--fix").out
    assert "OPS-2026-01-27-010 changes_summary: taken as plain text, it was no YAML" in out
    assert "--fix" not in out
