"""Generated pages are what the code says."""

from pathlib import Path

from qtops.cli.plumbing import PAGES

REPOSITORY = Path(__file__).parents[2]


def test_the_committed_pages_are_current(shell):
    run = shell("plumbing", "docs", "--check", "--root", str(REPOSITORY))
    assert (run.code, run.out) == (0, "✓ current\n")


def test_check_names_stale_pages_and_writes_nothing(shell):
    (shell.home / "work/docs").mkdir()
    run = shell("plumbing", "docs", "--check")
    assert run.code == 2
    assert run.out.startswith("✗ stale   " + ", ".join(page.path for page in PAGES))
    assert not list((shell.home / "work/docs").iterdir())


def test_pages_are_written_once(shell):
    docs = shell.home / "work/docs"
    docs.mkdir()
    assert shell("plumbing", "docs").out.startswith("✓ rewritten")
    assert {f"docs/{path.name}" for path in docs.iterdir()} == {page.path for page in PAGES}
    assert shell("plumbing", "docs", "--json").document["pages"] == []


def test_outside_a_source_tree_it_is_an_error(shell):
    run = shell("plumbing", "docs")
    assert run.code == 1
    assert "has no docs directory; next: give --root" in run.err
