"""`qtops prompt` and `qtops runbook`: from options and files to pages, and what is refused."""

import hashlib
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import qtops
from qtops.governance.declaration import Declaration
from qtops.governance.prompt import PROMPT_TEMPLATE, SECTIONS
from qtops.governance.runbook import RUNBOOK_SECTIONS, RUNBOOK_TEMPLATE
from qtops.ledger.entry import FIELDS

BASE = {
    "operation": "Fix Grafana provisioning wrappers",
    "objective": "Unwrap dashboard JSON",
    "risk_class": "LOW_RISK_CONFIG",
    "blast_radius": "Grafana dashboards only",
    "rollback_strategy": "Restore JSON files from git + restart grafana-server",
    "allowed_paths": ["/etc/grafana/provisioning", "/var/lib/grafana/dashboards/quantum"],
    "allowed_services": ["grafana-server"],
}
TRICKY = 'it\'s \\ "two"\n```\n## 7 Forged\tand $(date) `date`'


def options(**changes):
    words = []
    for name, value in (BASE | changes).items():
        words += [f"--{name}", *(value if isinstance(value, list) else [value])]
    return words


@pytest.fixture
def work(shell):
    return shell.home / "work"


@pytest.fixture
def filed(work):
    def write(text=None, **changes):
        text = yaml.safe_dump(BASE | changes) if text is None else text
        (work / "op.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return "op.yaml"

    return write


def files(work):
    return {path.name: path.read_bytes() for path in work.rglob("*") if path.is_file()}


# --- fill -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("joint", ["_", "-"])
def test_the_prompt_alone_is_on_stdout_in_either_spelling(shell, work, joint):
    words = [w.replace("_", joint) if w.startswith("--") else w for w in options()]
    run = shell("prompt", "fill", *words)
    assert (run.code, run.err) == (0, "")
    assert [line[3:] for line in run.out.split("\n") if line.startswith("## ")] == list(SECTIONS)
    assert "\n  - /etc/grafana/provisioning\n  - /var/lib/grafana/dashboards/quantum\n" in run.out
    assert files(work) == {}


def test_quiet_keeps_the_prompt_which_is_the_answer(shell):
    assert shell("prompt", "fill", "-q", *options()).out == shell("prompt", "fill", *options()).out


def test_the_document_has_the_same_prompt_its_digest_and_the_template(shell):
    text = shell("prompt", "fill", *options()).out
    found = shell("prompt", "fill", "--json", *options()).document
    assert found["prompt"] == text
    assert found["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert found["template"].endswith(f"/templates/{PROMPT_TEMPLATE}")
    assert found["ledger_snippet"] is None
    assert found["declaration"] == BASE | {
        "changes_summary": "",
        "requested_by": "SELF",
        "approved_by": "SELF",
        "notes": "",
    }


def test_a_file_declares_and_options_override_it(shell, filed):
    source = filed(notes="from the file")
    run = shell("prompt", "fill", "--json", "--from", source, "--operation", "Other", "--notes", "")
    assert run.document["declaration"]["operation"] == "Other"
    assert run.document["declaration"]["notes"] == ""
    assert run.document["declaration"]["objective"] == BASE["objective"]


def test_the_ledger_snippet_is_yaml_in_the_ledgers_order(shell):
    words = options(objective=TRICKY, changes_summary="unwrapped")
    run = shell("prompt", "fill", "--json", "--ledger", *words)
    snippet = run.document["ledger_snippet"]
    entry = yaml.safe_load(snippet)
    assert list(entry) == [name for name in FIELDS if name in entry]
    assert entry["operation_id"] == "OPS-2026-01-27-NNN"
    assert entry["rollback_ref"] == BASE["rollback_strategy"]
    assert (entry["objective"], entry["changes_summary"]) == (TRICKY, "unwrapped")
    assert snippet.startswith("# qtops ledger append allocates NNN")
    text = shell("prompt", "fill", "--ledger", *words).out
    assert text == f"{run.document['prompt']}\n## LEDGER ENTRY\n{snippet}"


def test_a_prompt_with_its_ledger_entry_is_still_ready(shell, work):
    shell("prompt", "fill", "--ledger", "--out", "p.txt", *options(objective=TRICKY))
    assert shell("prompt", "lint", "p.txt").code == 0


def test_out_writes_the_file_and_says_the_next_command(shell, work):
    run = shell("prompt", "fill", "--out", "new/p.txt", *options())
    assert run.code == 0
    assert (work / "new/p.txt").read_text() == shell("prompt", "fill", *options()).out
    assert "qtops prompt lint new/p.txt" in run.out
    assert "## ROLE" not in run.out


def test_out_says_what_became_of_the_file_before(shell, work):
    (work / "p.txt").write_text("old")
    run = shell("prompt", "fill", "--json", "--out", "p.txt", *options())
    size = (work / "p.txt").stat().st_size
    assert run.document["change"] == f"3 bytes replaced by {size}"
    run = shell("prompt", "fill", "--json", "--out", "p.txt", *options())
    assert run.document["change"] == "as it was"


def test_a_dry_run_shows_the_file_and_writes_nothing(shell, work):
    run = shell("prompt", "fill", "--dry-run", "--out", "new/p.txt", *options())
    prompt = shell("prompt", "fill", *options()).out
    first, rest = run.out.split("\n", 1)
    assert "nothing was written" in first
    assert rest == prompt
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("out", [".", "/dev/null"])
@pytest.mark.parametrize("extra", [[], ["--dry-run"]])
def test_only_a_file_is_replaced(shell, out, extra):
    run = shell("prompt", "fill", "--out", out, *extra, *options())
    assert (run.code, "is no file that could be replaced" in run.err) == (64, True)
    assert not Path("/dev/null").is_file()


def test_a_link_stays_a_link(shell, work):
    (work / "p.txt").symlink_to("there.txt")
    assert shell("prompt", "fill", "--out", "p.txt", *options()).code == 0
    assert (work / "p.txt").is_symlink()
    assert "## ROLE" in (work / "there.txt").read_text()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"risk_class": "HARMLESS"}, "risk_class 'HARMLESS' is not one of READ_ONLY,"),
        ({"objective": ""}, "objective is empty"),
        ({"rollback_strategy": ""}, "LOW_RISK_CONFIG needs rollback_strategy"),
        ({"allowed_paths": ["microservices/x/"]}, "'microservices/x/' is not absolute"),
        ({"allowed_paths": ["/srv/../etc/shadow"]}, "leads upwards with '..'"),
        ({"allowed_paths": ["/etc"]}, "which is never touched"),
        ({"allowed_paths": ["/etc/systemd/system"]}, "is beyond LOW_RISK_CONFIG"),
        ({"risk_class": "SERVICE_RESTART", "allowed_services": ["-H"]}, "no systemd unit name"),
    ],
)
@pytest.mark.parametrize("command", [("prompt", "fill"), ("runbook", "new")])
def test_a_declaration_that_does_not_hold_is_refused_with_the_reason(
    shell, work, command, changes, reason
):
    given = {name: value for name, value in changes.items() if name != "allowed_services"}
    words = options(**given)
    if "allowed_services" in changes:
        words += [f"--allowed-services={name}" for name in changes["allowed_services"]]
    run = shell(*command, "--out", "p.txt", *words)
    assert (run.code, run.out) == (64, "")
    assert reason in run.err
    assert run.err.count("\n") == 1
    assert "next: qtops prompt schema" in run.err
    assert files(work) == {}


def test_an_empty_allowlist_of_a_writing_class_is_refused(shell):
    words = ["prompt", "fill", "--operation=x", "--objective=x", "--blast-radius=x"]
    words += ["--risk-class=FILESYSTEM_WRITE", "--rollback-strategy=x"]
    run = shell(*words, "--json")
    assert run.document["error"]["code"] == "declaration"
    assert "FILESYSTEM_WRITE needs allowed_paths" in run.document["error"]["message"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("operation: a\noperation: b\n", "operation stands twice"),
        ("operation: [a\n", "line 2: "),
        ("- operation\n", "is no mapping of fields"),
        ("", "is no mapping of fields"),
        ("a: b\n---\nc: d\n", "but found another document"),
        (b"operation: \xff\n", "codec can't decode"),
        ("a: " + "[" * 8000 + "]" * 8000, "recursion"),
        ("a: " + "[" * 200_000, "is larger than 16384 bytes"),
        ("notes: {a: b}\n", "notes is not text"),
        ("allowed_path: [/x]\n", "unknown field 'allowed_path', did you mean allowed_paths?"),
    ],
)
def test_a_file_that_declares_nothing_is_refused_with_the_reason(shell, filed, text, reason):
    run = shell("prompt", "fill", "--from", filed(text))
    assert run.code == 64
    assert reason in run.err
    assert run.err.count("\n") == 1


def test_a_file_that_is_not_there_is_named(shell):
    run = shell("prompt", "fill", "--from", "none.yaml")
    assert (run.code, "none.yaml: No such file" in run.err) == (64, True)


def test_a_secret_in_a_declaration_reaches_neither_output_nor_file(shell, work):
    words = options(notes="redis://u:hunter2@h and password=hunter2")
    runs = [shell("prompt", "fill", "--ledger", *extra, *words) for extra in ([], ["--json"])]
    runs += [shell("prompt", "fill", "--ledger", "--out", "p.txt", *words)]
    runs += [shell("runbook", "new", "--out", "r.md", *words)]
    assert all("hunter2" not in run.out + run.err for run in runs)
    assert all(b"hunter2" not in data for data in files(work).values())
    assert all("masked" in run.err for run in runs)


# --- templates ------------------------------------------------------------------------------------


def test_templates_are_looked_up_in_the_option_then_here_then_the_packaged(shell, work):
    packaged = shell("prompt", "fill", "--json", *options()).document["template"]
    text = Path(packaged).read_text(encoding="utf-8")
    for name in ("templates", "mine"):
        (work / name).mkdir()
        (work / name / PROMPT_TEMPLATE).write_text(text + f"\n## FROM {name}\nx\n")
    here = shell("prompt", "fill", "--json", *options()).document
    mine = shell("prompt", "fill", "--json", "--template-dir", "mine", *options()).document
    assert here["template"] == str(work / "templates" / PROMPT_TEMPLATE)
    assert mine["template"] == str(work / "mine" / PROMPT_TEMPLATE)
    assert "## FROM mine" in mine["prompt"]


def test_a_broken_template_is_named_with_its_line(shell, work):
    (work / "templates").mkdir()
    (work / "templates" / PROMPT_TEMPLATE).write_text("one\n{% for %}\n")
    run = shell("prompt", "fill", *options())
    assert run.code == 1
    assert f"templates/{PROMPT_TEMPLATE}:2: " in run.err


def test_a_template_directory_that_is_none_is_refused(shell):
    run = shell("prompt", "fill", "--template-dir", "none", *options())
    assert (run.code, "is no directory" in run.err) == (64, True)


def test_the_wheel_carries_the_templates():
    root = Path(qtops.__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    taken = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert taken == {"templates": "qtops/templates"}
    assert {path.name for path in (root / "templates").iterdir()} == {
        PROMPT_TEMPLATE,
        RUNBOOK_TEMPLATE,
    }


# --- lint and schema ------------------------------------------------------------------------------


def test_lint_of_what_fill_wrote_finds_nothing(shell):
    shell("prompt", "fill", "--out", "p.txt", *options(notes=TRICKY))
    run = shell("prompt", "lint", "p.txt")
    assert (run.code, run.out) == (0, f"✓ ready   LOW_RISK_CONFIG: {BASE['operation']}\n")
    found = shell("prompt", "lint", "p.txt", "--json").document
    assert (found["status"], found["findings"]) == ("ready", [])
    assert found["declaration"]["notes"] == TRICKY


def test_lint_says_the_line_of_what_it_finds(shell, work):
    shell("prompt", "fill", "--out", "p.txt", *options())
    page = work / "p.txt"
    page.write_text(page.read_text().replace("Unwrap dashboard JSON", "{{ objective }}"))
    number = page.read_text().split("\n").index("OBJECTIVE: {{ objective }}") + 1
    run = shell("prompt", "lint", "p.txt")
    assert run.code == 2
    assert f"✗ line {number}: OBJECTIVE is not filled: {{{{ objective }}}}" in run.out
    found = shell("prompt", "lint", "p.txt", "--json").document
    assert (found["exit_code"], found["status"]) == (2, "findings")
    assert [finding["line"] for finding in found["findings"]] == [number]


def test_lint_of_what_is_no_text_is_a_wrong_command(shell, work):
    (work / "x").write_bytes(b"\xff\xfe")
    assert [shell("prompt", "lint", name).code for name in ("x", ".", "none")] == [64, 64, 64]


def test_the_schema_is_one_json_document_either_way(shell):
    plain = json.loads(shell("prompt", "schema").out)
    assert plain == shell("prompt", "schema", "--json").document["declaration_schema"]
    assert list(plain["properties"]) == list(Declaration.__dataclass_fields__)


# --- runbook --------------------------------------------------------------------------------------


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_a_runbook_has_the_seven_sections_and_the_day(shell):
    text = shell("runbook", "new", *options()).out
    titles = tuple(line[3:] for line in text.split("\n") if line.startswith("## "))
    assert titles == RUNBOOK_SECTIONS
    assert text.startswith("# RUNBOOK v1, 2026-01-27\n")
    assert shell("runbook", "new", "--json", *options()).document["runbook"] == text


def test_the_declaration_in_a_runbook_is_read_back_as_it_was_given(shell, work):
    words = options(objective=TRICKY, notes="é \N{SNOWMAN}")
    run = shell("runbook", "new", "--json", *words).document
    (declared,) = blocks(run["runbook"], "json")
    (work / "operation.json").write_text(declared)
    again = shell("prompt", "fill", "--json", "--from", "operation.json").document
    assert again["declaration"] == run["declaration"]


def test_the_ledger_command_of_a_runbook_records_what_was_declared(shell, work):
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=work, check=True)
    words = options(objective=TRICKY, changes_summary="unwrapped", allowed_services=["a\\x2db"])
    text = shell("runbook", "new", *words).out
    command = blocks(text, "bash")[-1].replace("'<SUCCESS or PARTIAL>'", "PARTIAL")
    script = f'qtops() {{ printf "%s\\0" "$@"; }}\n{command}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    argv = done.stdout.split("\0")[:-1]
    entry = shell(*argv, "--json").document["entry"]
    assert entry["objective"] == TRICKY
    assert entry["allowed_paths"] == BASE["allowed_paths"]
    assert entry["allowed_services"] == ["a\\x2db"]
    assert (entry["outcome"], entry["changes_summary"]) == ("PARTIAL", "unwrapped")


def test_the_ledger_command_of_an_untouched_runbook_is_refused(shell):
    text = shell("runbook", "new", *options()).out
    script = f'qtops() {{ printf "%s\\0" "$@"; }}\n{blocks(text, "bash")[-1]}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    run = shell(*done.stdout.split("\0")[:-1])
    assert (run.code, "--outcome" in run.err) == (64, True)


def test_a_runbook_is_written_like_a_prompt(shell, work):
    dry = shell("runbook", "new", "--dry-run", "--out", "r.md", *options())
    assert (dry.code, files(work)) == (0, {})
    assert shell("runbook", "new", "--out", "r.md", *options()).code == 0
    assert files(work)["r.md"].decode() == shell("runbook", "new", *options()).out
