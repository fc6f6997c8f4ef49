"""Colour, glyphs, tables, quiet, progress and questions: what depends on where we write."""

import pytest

from qtops.cli.printer import Column, Look, Mark, Printer

RED, GREEN = "\x1b[31m", "\x1b[32m"


def test_a_pipe_gets_plain_text_that_is_never_cut(fake):
    run = fake("works")
    assert "\x1b" not in run.out
    assert "x" * 70 in run.out


def test_the_whole_text_in_a_pipe(fake):
    run = fake("works", "--notes", "n")
    wide = "x" * 70
    assert run.out == (
        f"✓ operational   3 of 3 sources{' ' * 34}redis://h  0.2 s\n"
        "  count 1 notes n\n"
        "\n"
        "  source    live  plan\n"
        f"  {'─' * 86}\n"
        f"  governor    15  {wide}\n"
        "  p33          \N{EN DASH}  short\n"
        "\n"
        "  ! 1 permit without expiry\n"
        "    qtops audit permits\n"
    )


def test_a_terminal_gets_colour(fake):
    run = fake("works", tty=True)
    assert run.out.startswith(f"{GREEN}✓ operational\x1b[0m")
    assert f"{RED}p33\x1b[0m" in run.out


def test_a_fault_is_red_on_a_terminal(fake):
    assert fake("fails", "host", tty=True).err == f"{RED}error:\x1b[0m systemctl failed\n"


@pytest.mark.parametrize(
    "off",
    [
        {"environ": {"NO_COLOR": "1"}},
        {"environ": {"TERM": "dumb"}},
        {"before": ["--no-color"]},
    ],
    ids=["NO_COLOR", "TERM-dumb", "option"],
)
def test_colour_can_be_turned_off(fake, off):
    run = fake("works", tty=True, **off)
    assert "\x1b" not in run.out
    assert "\x1b" not in fake("fails", "host", tty=True, **off).err


def test_an_empty_no_color_does_not_count(fake):
    assert GREEN in fake("works", tty=True, environ={"NO_COLOR": ""}).out


def test_colour_changes_no_word(fake):
    import re

    coloured = fake("works", tty=True).out
    plain = fake("works", "--no-color", tty=True).out
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "ANSI_X3.4-1968"])
def test_words_stand_for_glyphs_where_stdout_is_not_utf8(fake, encoding):
    run = fake("works", encoding=encoding)
    assert run.out.isascii()
    assert run.out.startswith("OK operational")
    assert "WARN 1 permit without expiry" in run.out
    assert fake("unhealthy", encoding=encoding).out == "FAIL degraded\n"


def test_quiet_leaves_the_verdict_line_alone(fake):
    run = fake("works", "-q")
    assert run.out.count("\n") == 1
    assert run.out.startswith("✓ operational")


def test_quiet_drops_notices_but_not_warnings_nor_faults(fake):
    loud, quiet = fake("leaks", "hello").err, fake("leaks", "hello", "-q").err
    assert loud == f"hello\n{quiet}"
    assert quiet == "! warning:   hello\nerror: hello; next: hello\n"


def test_detail_needs_verbose(fake):
    assert "wide detail" not in fake("works").out
    assert "wide detail" in fake("works", "-v").out


def printed(look: Look, write) -> list[str]:
    lines: list[str] = []
    write(Printer(lines.append, look, str))
    return lines


def test_a_terminal_cuts_only_columns_that_allow_it():
    columns = [Column("id"), Column("why", shrink=True)]
    rows = [["exit_hardproof_TRXUSDT_R1", "because " * 20]]
    lines = printed(Look(width=60), lambda out: out.table(columns, rows))
    assert all(len(line) <= 60 for line in lines)
    assert "exit_hardproof_TRXUSDT_R1" in lines[3]
    assert lines[3].endswith("…")


@pytest.mark.parametrize(("width", "has_spare"), [(None, True), (40, True), (20, False)])
def test_a_narrow_terminal_leaves_spare_columns_out(width, has_spare):
    lines = []
    columns = [Column("a"), Column("time", "right", spare=True), Column("verdict")]
    Printer(lines.append, Look(width=width), str).table(columns, [["x", "12 ms", "FILLED fully"]])
    assert ("12 ms" in lines[3]) is has_spare
    assert ("time" in lines[1]) is has_spare
    assert lines[3].endswith("FILLED fully")


def test_numbers_line_up_on_the_right():
    columns = [Column("n", "right"), Column("name")]
    lines = printed(Look(), lambda out: out.table(columns, [[5, "a"], [1000, "b"]]))
    assert lines[1:-1] == ["     n  name", "  ──────────", "     5  a", "  1000  b"]


def test_an_empty_table_says_so():
    assert "  (none)" in printed(Look(), lambda out: out.table([Column("a")], []))


def test_data_cannot_move_the_cursor():
    lines = printed(Look(), lambda out: out.verdict(Mark.OK, "\x1b[2Jgone\u202e", "a\nb"))
    assert lines == ["✓ \\x1b[2Jgone\\u202e   a\\nb"]


def test_progress_appears_after_a_second_and_is_gone_when_done(fake):
    err = fake("slow", tty=True).err
    assert "reading  [" in err
    assert "2/3" in err
    assert err.endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("argv", "tty"),
    [([], False), (["--steps", "1"], True), (["--json"], True), (["-q"], True)],
    ids=["pipe", "under-a-second", "json", "quiet"],
)
def test_no_progress_where_nobody_watches(fake, argv, tty):
    assert fake("slow", *argv, tty=tty).err == ""


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_a_yes_goes_on(fake, answer):
    run = fake("asks", stdin=answer, tty=True)
    assert (run.code, run.out, run.err) == (0, "done\n", "Go on? [y/N] ")


@pytest.mark.parametrize("answer", ["", "\n", "n\n", "yess\n"])
def test_anything_else_is_refused(fake, answer):
    run = fake("asks", stdin=answer, tty=True)
    assert (run.code, run.out) == (4, "")


def test_yes_is_not_asked(fake):
    assert fake("asks", "--yes").out == "done\n"


@pytest.mark.parametrize("argv", [{}, {"tty": True, "before": ["--json"]}], ids=["pipe", "json"])
def test_without_a_terminal_and_without_yes_it_is_refused(fake, argv):
    run = fake("asks", stdin="y\n", **argv)
    assert run.code == 4
    assert "no terminal" in run.err


def test_the_name_must_be_typed(fake):
    assert fake("asks", "--typed", "mainnet", stdin="mainnet\n", tty=True).code == 0
    assert fake("asks", "--typed", "mainnet", stdin="y\n", tty=True).code == 4
    assert fake("asks", "--typed", "mainnet", "--yes", stdin="mainnet\n").code == 4
