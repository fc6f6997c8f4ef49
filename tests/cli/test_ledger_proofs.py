"""Proof files in the views: an append writes what a rebuild would."""

import subprocess


def test_an_entry_with_several_proofs_reads_the_same_appended_and_rebuilt(shell):
    work = shell.home / "work"
    who = ("-c", "user.name=t", "-c", "user.email=t@t")
    subprocess.run(["git", "init", "-q"], cwd=work, check=True)
    subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "x"], cwd=work, check=True)
    for name in ("b.txt", "a.txt"):
        (work / name).write_text(name)
    common = ["--objective", "o", "--risk-class", "READ_ONLY", "--blast-radius", "none"]
    for operation in ("first", "second"):  # the first append builds the views, the second adds
        run = shell(
            *("ledger", "append", "--operation", operation, *common),
            *("--changes-summary", "s", "--proof-path", "b.txt", "--proof-path", "a.txt"),
        )
        assert run.code == 0
    assert shell("ledger", "verify").code == 0
