"""`qtops install`: what is written, what is left alone, and that it can be taken away again."""

import subprocess

import pytest

PROGRAM = ("--program", "/usr/bin/env")


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "units"
    folder.mkdir()
    return folder


@pytest.fixture
def install(shell, place):
    def run(what, *argv, **rest):
        program = () if what == "completion" else PROGRAM
        return shell("install", what, "--dest", str(place), *program, *argv, **rest)

    return run


def names(place):
    return sorted(path.name for path in place.iterdir())


def test_a_dry_run_shows_every_file_and_writes_none(install, place):
    run = install("systemd", "--dry-run")
    assert run.code == 0
    assert "ExecStart=/usr/bin/env run executor" in run.out
    assert names(place) == []


def test_without_a_terminal_and_without_yes_it_is_refused(install, place):
    assert install("systemd").code == 4
    assert names(place) == []


def test_an_operator_who_is_asked_can_say_no(install, place):
    assert install("systemd", stdin="n\n", tty=True).code == 4
    assert names(place) == []
    assert install("systemd", stdin="y\n", tty=True).code == 0
    assert "qtops.target" in names(place)


def test_the_second_time_there_is_nothing_to_do(install, place):
    first = install("systemd", "--yes", "--json").document
    assert {file["act"] for file in first["files"]} == {"write"}
    assert any("systemctl enable --now" in step for step in first["next"])
    second = install("systemd", "--json").document
    assert {file["act"] for file in second["files"]} == {"keep"}
    assert (second["status"], second["next"]) == ("nothing_to_do", [])


def test_another_setting_writes_only_what_differs(install, place):
    install("systemd", "--yes")
    run = install("systemd", "--textfile", "/var/lib/x/q.prom", "--yes", "--json").document
    written = [file["path"] for file in run["files"] if file["act"] == "write"]
    assert written == [str(place / "qtops-health.service")]


def test_what_was_edited_is_neither_overwritten_nor_removed(install, place):
    install("systemd", "--yes")
    edited = place / "qtops-executor.service"
    edited.write_text(edited.read_text() + "# mine\n")
    before = {path: path.read_bytes() for path in place.iterdir()}
    for argv in (["--textfile", "/x/q.prom", "--yes"], ["--remove", "--yes"]):
        run = install("systemd", *argv)
        assert run.code == 4
        assert "qtops-executor.service is not as qtops wrote it" in run.err
    assert {path: path.read_bytes() for path in place.iterdir()} == before


def test_it_takes_away_what_it_wrote_and_nothing_else(install, place):
    (place / "other.service").write_text("[Unit]\n")
    install("systemd", "--yes")
    assert install("systemd", "--remove", "--dry-run").code == 0
    assert "qtops.target" in names(place)
    assert install("systemd", "--remove", "--yes").code == 0
    assert names(place) == ["other.service"]
    assert install("systemd", "--remove").code == 0


def test_only_the_health_timer(install, place):
    install("systemd", "--only", "health", "--yes")
    assert names(place) == ["qtops-health.service", "qtops-health.timer"]


def test_cron_is_one_file_without_a_dot_in_its_name(install, place):
    run = install("cron", "--user", "ops", "--yes")
    assert run.code == 0
    assert names(place) == ["qtops"]
    assert "* * * * * ops " in (place / "qtops").read_text()
    assert install("cron", "--user", "ops", "--remove", "--yes").code == 0
    assert names(place) == []


def test_the_completion_script_is_what_the_shell_can_read(install, place):
    assert install("completion", "--yes").code == 0
    assert subprocess.run(["bash", "-n", str(place / "qtops")], check=False).returncode == 0
    for shell in ("zsh", "fish"):
        assert install("completion", "--shell", shell, "--yes").code == 0
    assert names(place) == ["_qtops", "qtops", "qtops.fish"]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["systemd", "--services", "nobody"], 64, "nobody"),
        (["systemd", "--services", "none"], 64, "none is named"),
        (["systemd", "--only", "timers"], 64, "services, health"),
        (["systemd", "--user", "a b"], 64, "--user"),
        (["systemd", "--textfile", "q.prom"], 64, "absolute"),
        (["systemd", "--program", "/nowhere/qtops"], 1, "/nowhere/qtops"),
        (["systemd", "--program", "/home/ann/qtops"], 1, "unit could not see"),
        (["completion", "--shell", "tcsh"], 64, "bash, zsh, fish"),
        (["cron", "--state", "/a%b"], 64, "crontab"),
    ],
)
def test_what_cannot_be_is_refused_in_words(install, place, argv, code, words):
    run = install(*argv, "--yes")
    assert run.code == code
    assert words in run.err
    assert names(place) == []


def test_a_place_that_cannot_be_written_is_named(shell, tmp_path):
    (tmp_path / "file").touch()
    dest = str(tmp_path / "file")
    run = shell("install", "systemd", "--dest", dest, *PROGRAM, "--yes")
    assert run.code == 1
    assert dest in run.err
