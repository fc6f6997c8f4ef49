"""Who approved, who signed, what was tagged."""

import subprocess

import pytest

from tests.cli.ledger.conftest import files, git, options, page


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


@pytest.mark.parametrize(
    "written",
    [
        '[ledger]\npolicy = ["SERVICE_RESTART", "FILESYSTEM_WRITE"]\n',
        'ledger.policy = ["SERVICE_RESTART", "FILESYSTEM_WRITE"]\n',
        'ledger_policy = "SERVICE_RESTART,FILESYSTEM_WRITE"\n',
        'profile.live.ledger.policy = ["SERVICE_RESTART", "FILESYSTEM_WRITE"]\n',
    ],
)
def test_the_policy_is_written_in_the_settings_file(ledger, written):
    (ledger.work / "qtops.toml").write_text(written)
    environ = {"QTOPS_PROFILE": "live"} if "profile" in written else {}
    risky = options(risk_class="FILESYSTEM_WRITE")
    assert ledger("append", *risky, "--strict", environ=environ).code == 4
    entry = ledger("append", *risky, "--json", environ=environ).document["entry"]
    assert entry["validation_warnings"] == [
        "policy: FILESYSTEM_WRITE: nobody but the requester approved it"
    ]
    assert ledger("append", *options(operation="2"), "--strict", environ=environ).code == 0


def test_a_policy_with_an_unknown_class_is_a_wrong_configuration(ledger):
    (ledger.work / "qtops.toml").write_text('ledger.policy = ["SERVICE_RESTRAT"]\n')
    run = ledger("append", *options())
    assert run.code == 1
    assert "SERVICE_RESTRAT, which is no risk class" in run.err
    assert files(ledger).keys() == {ledger.work / "qtops.toml"}


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


@pytest.fixture
def committer(ledger):
    git(ledger.work, "config", "user.name", "t")
    git(ledger.work, "config", "user.email", "t@t")


def test_an_entry_is_tagged_as_it_is_recorded(ledger, committer):
    run = ledger("append", *options(), "--tag", "--dry-run")
    assert "would tag ops-2026-01-27-001" in run.out
    assert git(ledger.work, "tag").stdout == ""
    run = ledger("append", *options(), "--tag", "--json")
    assert (run.code, run.document["tag"]) == (0, "ops-2026-01-27-001")
    assert run.document["head"] in git(ledger.work, "tag", "-n99").stdout
    assert "already tagged ops-2026-01-27-001" in ledger("append", *options(), "--tag").out
    (ledger.work / "ledger/log.jsonl").write_bytes(b"")
    ledger("render")
    assert "tag ops-2026-01-27-001 the recorded head" in ledger("verify").out


def test_an_id_that_is_taken_by_other_content_is_not_tagged(ledger, committer):
    ledger("append", *options())
    taken = options(operation_id="OPS-2026-01-27-001", objective="other")
    run = ledger("append", *taken, "--tag", "--json")
    assert (run.code, run.document["tag"]) == (2, None)
    assert git(ledger.work, "tag").stdout == ""


def test_what_cannot_be_tagged_is_said_before_anything_is_written(shell):
    run = shell("ledger", "append", *options(), "--tag")
    assert run.code == 1
    assert "in no git repository" in run.err
    subprocess.run(["git", "init", "-q"], cwd=shell.home / "work", check=True)
    run = shell("ledger", "append", *options(), "--tag")
    assert run.code == 1
    assert "no commit to tag" in run.err
    assert not (shell.home / "work/ledger").exists()


def test_the_tags_of_a_ledger_below_the_repository_count(ledger, committer):
    below = ledger.work / "host-1"
    below.mkdir()
    ledger("append", *options(), "--tag", "--root", str(below))
    (below / "ledger/log.jsonl").write_bytes(b"")
    ledger("render", "--root", str(below))
    assert ledger("verify", "--root", str(below)).code == 2
