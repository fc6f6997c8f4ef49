"""Code roots on real git repositories, hostile ones too."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from qtops.adapters.git_command import read_git
from qtops.audits.checks import run_checks
from qtops.audits.repo_rules import Repo, Unit, judge_units
from qtops.audits.repos import RepoAudit, compare, read_repo, unit_of
from qtops.contracts.check import Verdict
from qtops.errors import HostError


class Clock:
    def now_ms(self):
        return 0

    def monotonic_ms(self):
        return 0.0


def git(root, *argv):
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    who = ("-c", "user.name=t", "-c", "user.email=t@t")
    done = subprocess.run(
        ["git", *who, "-C", root, *argv], env=environ, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", name)


@pytest.fixture
def root(tmp_path):
    """One commit on main."""
    path = tmp_path / "home"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    commit(path, "main.py", "print()\n")
    return path


@pytest.fixture
def twin(root, tmp_path):
    """A clone of it."""
    path = tmp_path / "root"
    git(tmp_path, "clone", "-q", str(root), str(path))
    return path


async def no_systemd():
    raise HostError("systemd is not the init here")


async def verdicts(*roots, units=no_systemd):
    report = await run_checks(RepoAudit(roots, read_git, units).checks(), Clock())
    return {(one.check, one.subject): one for one in report.results}


async def test_a_clean_root_passes_but_for_what_cannot_be_known(root):
    found = await verdicts(root)
    assert {check: one.verdict.value for (check, _), one in found.items()} == {
        "repos.conflicts": "pass",
        "repos.dirty": "pass",
        "repos.litter": "pass",
        "repos.upstream": "unknown",
        "repos.units": "unknown",
    }


async def test_the_founding_reports_roots(root, twin):
    """Diverged, a committed merge conflict, changed files and a patch left behind."""
    marked = "<<<<<<< Updated upstream\na = 1\n=======\na = 2\n>>>>>>> Stashed changes\n"
    commit(root, "apply_layer/main.py", marked)
    (root / "main.py.patch").write_text("x")
    commit(twin, "a.py", "1\n")
    commit(twin, "b.py", "2\n")
    (twin / "main.py").write_text("changed\n")
    found = await verdicts(root, twin)
    conflict = found["repos.conflicts", str(root)]
    assert (conflict.verdict, conflict.severity.value) == (Verdict.FAIL, "P0")
    assert conflict.evidence == ("apply_layer/main.py",)
    assert found["repos.litter", str(root)].evidence == ("main.py.patch",)
    assert found["repos.dirty", str(twin)].evidence == ("main.py",)
    assert "2 ahead of and 0 behind origin/main" in found["repos.upstream", str(twin)].title
    pair = found["repos.divergence", f"{root} {twin}"]
    assert pair.verdict is Verdict.FAIL
    assert pair.title == f"1 commits only in {root}, 2 in {twin}"


async def test_one_root_behind_the_other_is_a_warning(root, twin):
    commit(root, "a.py", "1\n")
    base = git(twin, "rev-parse", "HEAD")
    left, right = await read_repo(read_git, root), await read_repo(read_git, twin)
    found = await compare(read_git, left, right)
    assert (found.only_left, found.only_right, found.base) == (1, 0, base)
    pair = (await verdicts(root, twin))["repos.divergence", f"{root} {twin}"]
    assert pair.verdict is Verdict.WARN


async def test_unrelated_histories(root, tmp_path):
    other = tmp_path / 'ot"her:x'
    other.mkdir()
    git(other, "init", "-q", "-b", "main")
    commit(other, "z.py", "z\n")
    pair = (await verdicts(root, other))["repos.divergence", f"{root} {other}"]
    assert (pair.verdict, pair.title) == (Verdict.FAIL, "two unrelated histories")


async def test_a_merge_that_stands_open_is_a_conflict(root, twin):
    commit(root, "main.py", "one\n")
    commit(twin, "main.py", "two\n")
    git(twin, "fetch", "-q")
    with pytest.raises(subprocess.CalledProcessError):
        git(twin, "merge", "-q", "origin/main")
    assert (await read_repo(read_git, twin)).unmerged == ("main.py",)


async def test_a_line_of_equal_signs_alone_is_no_conflict(root):
    commit(root, "doc.md", "Title\n=======\n<<<<<<< quoted\n")
    assert (await read_repo(read_git, root)).conflicts == ()


async def test_nothing_that_the_repository_configures_is_run_and_nothing_is_written(root, tmp_path):
    trap = tmp_path / "ran"
    script = tmp_path / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch {trap}\ncat\n")
    script.chmod(0o755)
    commit(root, ".gitattributes", "*.py filter=evil diff=evil\n")
    names = ("core.fsmonitor", "filter.evil.clean", "filter.evil.process", "diff.evil.textconv")
    for name in names:
        git(root, "config", name, str(script))
    hook = root / ".git/hooks/post-index-change"
    hook.write_text(script.read_text())
    hook.chmod(0o755)
    os.utime(root / "main.py", (1, 1))  # so that git must read the file again
    before = (root / ".git/index").read_bytes()
    await verdicts(root)
    assert not trap.exists()
    assert (root / ".git/index").read_bytes() == before
    git(root, "status")
    assert trap.exists(), "the trap is one"


async def test_the_repository_of_another_user_is_accepted_for_our_calls_only(root):
    if os.getuid() != 0:
        pytest.skip("only root can give files away")
    for path in (root, *root.rglob("*")):
        os.chown(path, 12345, 12345)
    with pytest.raises(subprocess.CalledProcessError):
        git(root, "status")
    assert (await read_repo(read_git, root)).branch == "main"


async def test_no_repository_is_unknown(tmp_path):
    found = await verdicts(tmp_path)
    assert {one.verdict for one in found.values()} == {Verdict.UNKNOWN}


async def test_names_with_spaces_and_renames(root):
    commit(root, "a b.py", "x = 1\n" * 20)
    git(root, "mv", "a b.py", "c d.py")
    (root / "main.py").write_text("changed\n")
    assert set((await read_repo(read_git, root)).changed) == {"c d.py", "main.py"}


HOME, ROOT = Repo("/home/qt/q", "a" * 40, "main"), Repo("/root/q", "b" * 40, "main")


@pytest.mark.parametrize(
    ("paths", "verdict", "title"),
    [
        (("/home/qt/q", "/usr/bin/python3"), "pass", "runs from /home/qt/q at aaaaaaaa"),
        (("/home/qt/q", "/root/q/x.py"), "fail", "runs from 2 roots: /home/qt/q, /root/q"),
        (("/home/qt/quantum",), "pass", "runs from none of the roots"),
        ((), "pass", "runs from none of the roots"),
    ],
)
def test_which_root_a_unit_runs_from(paths, verdict, title):
    result = judge_units([Unit("u.service", paths)], [HOME, ROOT])[0]
    assert (result.verdict.value, result.title) == (verdict, title)


def test_a_root_that_nothing_runs_from_is_said_and_the_inner_root_counts():
    inner = replace(ROOT, root="/home/qt/q/sub")
    results = judge_units([Unit("u", ("/home/qt/q/sub/x",))], [HOME, inner])
    assert [(r.subject, r.title) for r in results] == [
        ("u", "runs from /home/qt/q/sub at bbbbbbbb"),
        ("/home/qt/q", "no unit runs from this root"),
    ]


def test_a_unit_as_systemctl_shows_it():
    shown = {
        "Id": "quantum-apply-layer.service",
        "WorkingDirectory": "/home/qt/q",
        "ExecStart": "{ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 -u /root/q/m.py ; x=1 ; }",
    }
    paths = ("/home/qt/q", "/usr/bin/python3", "/root/q/m.py")
    assert unit_of(shown) == Unit("quantum-apply-layer.service", paths)


async def test_no_git_is_a_fault_of_the_host(monkeypatch):
    from qtops.adapters import git_command

    monkeypatch.setitem(git_command._ENVIRONMENT, "PATH", "/nonexistent")
    with pytest.raises(HostError, match="git"):
        await read_git(Path("/"), "status")
