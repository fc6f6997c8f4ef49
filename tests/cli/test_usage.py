"""A wrong command line ends with 64, one line, and the help that fits."""

import pytest

WRONG = {
    "no-such-command": (["fake", "nope"], "no such command 'nope'", "qtops fake --help"),
    "no-such-word": (["fakes"], "Did you mean 'fake'?", "qtops --help"),
    "no-such-option": (["fake", "works", "--nope"], "no such option: --nope", "fake works --help"),
    "no-such-short-option": (["fake", "works", "-x"], "no such option: -x", "fake works --help"),
    "no-such-global-option": (["--nope"], "no such option: --nope", "qtops --help"),
    "missing-argument": (["fake", "needs", "--side", "x"], "missing argument 'SYMBOL'", "--help"),
    "missing-option": (["fake", "needs", "BTC"], "missing option '--side'", "--help"),
    "missing-value": (["fake", "works", "--count"], "requires an argument", "--help"),
    "missing-command": (["fake"], "missing command, one of works, fails", "qtops fake --help"),
    "bad-value": (["fake", "works", "--count", "x"], "'x' is not a valid int", "--help"),
    "extra-argument": (["fake", "silent", "more"], "unexpected extra argument", "--help"),
    "flag-with-value": (["fake", "asks", "--yes=1"], "does not take a value", "--help"),
    "misplaced-global": (["fake", "works", "--redis", "u"], "--redis", "before the command"),
}


@pytest.mark.parametrize(("argv", "says", "hint"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_command_line_is_64_and_one_line(fake, argv, says, hint):
    run = fake(*argv[1:], word=argv[0])
    assert (run.code, run.out) == (64, "")
    assert run.err.startswith("usage: qtops")
    assert run.err.count("\n") == 1
    assert says.lower() in run.err.lower()
    assert hint in run.err.partition("; next: ")[2]


@pytest.mark.parametrize("before", [True, False], ids=["json-before", "json-after"])
@pytest.mark.parametrize("argv", [wrong[0] for wrong in WRONG.values()], ids=WRONG.keys())
def test_with_json_it_is_also_one_document(fake, argv, before):
    if before:
        run = fake(*argv[1:], word=argv[0], before=["--json"])
    else:
        run = fake(*argv[1:], "--json", word=argv[0])
    assert run.code == 64
    assert run.document["schema"] == "qtops.error/v1"
    assert run.document["exit_code"] == 64
    assert run.document["error"]["code"] == "usage"
    assert run.document["error"]["hint"]


def test_qtops_alone_shows_the_help_on_stderr(shell):
    run = shell()
    assert (run.code, run.out) == (64, "")
    assert "Commands:" in run.err
    assert run.err.splitlines()[-1] == "usage: qtops: missing command; next: qtops --help"


def test_options_alone_are_no_command(shell):
    assert shell("-q").code == 64
    assert shell("--json").document["error"]["message"] == "qtops: missing command"


@pytest.mark.parametrize(
    "argv", [["--help"], ["-h"], ["config", "--help"], ["config", "show", "-h"]]
)
def test_help_is_0_and_on_stdout(shell, argv):
    run = shell(*argv)
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("Usage: qtops")


def test_version_in_every_position_before_the_command(shell):
    assert shell("--version").out.startswith("qtops ")
    assert shell("-q", "--version").code == 0
    document = shell("--version", "--json").document
    assert document["schema"] == "qtops.version/v1"
    assert document["version"]
