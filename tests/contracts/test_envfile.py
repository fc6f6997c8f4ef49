"""Environment files as systemd reads them, and one value changed in them."""

import pytest

from qtops.contracts.envfile import assignments, effective, with_value
from qtops.errors import DecodeError

NAME = "SOURCES"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SOURCES=a,b", "a,b"),
        ("  SOURCES = a,b  \n", "a,b"),
        ('SOURCES="a b"\n', "a b"),
        ("SOURCES='a \\b'\n", "a \\b"),
        ('SOURCES="a\\"b\\x"\n', 'a"b\\x'),
        ("SOURCES=a\\\nb\n", "ab"),
        ('SOURCES="a\nb"\n', "a\nb"),
        ("SOURCES=a\r\n", "a"),
        ("SOURCES=\n", ""),
        ("SOURCES=a'b\n", "a'b"),
        ("SOURCES=first\nSOURCES=last\n", "last"),
        ("# SOURCES=no\n; SOURCES=no\n", None),
        ('OTHER="\nSOURCES=inside\n"\n', None),
        ("XSOURCES=a\nSOURCESX=b\nnonsense\n", None),
    ],
)
def test_a_value_is_what_systemd_would_hand_on(text, value):
    assert effective(text, NAME) == value


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SOURCES=a,b\n", "SOURCES=new\n"),
        ("# c\n\nA=1\nSOURCES=a\nB=2\n", "# c\n\nA=1\nSOURCES=new\nB=2\n"),
        ("A=1\nSOURCES=a", "A=1\nSOURCES=new"),
        ("A=1\r\nSOURCES=a\r\nB=2\r\n", "A=1\r\nSOURCES=new\r\nB=2\r\n"),
        ('SOURCES="a"\n', 'SOURCES="new"\n'),
        ("SOURCES='a'\n", "SOURCES='new'\n"),
        ("SOURCES=a\\\n,b\nB=2\n", "SOURCES=new\nB=2\n"),
        ("SOURCES=1\nB=2\nSOURCES=2\n", "SOURCES=1\nB=2\nSOURCES=new\n"),
        ("#SOURCES=a\n", "#SOURCES=a\nSOURCES=new\n"),
        ("A=1", "A=1\nSOURCES=new"),
        ("A=1\r\nB=2", "A=1\r\nB=2\r\nSOURCES=new"),
        ("A=1\r\n", "A=1\r\nSOURCES=new\r\n"),
        ("", "SOURCES=new\n"),
        ("A=\udcff\nSOURCES=a\n", "A=\udcff\nSOURCES=new\n"),
    ],
)
def test_one_value_changes_and_nothing_else(before, after):
    assert with_value(before, NAME, "new").text == after


def test_earlier_assignments_are_reported_not_touched():
    edit = with_value("SOURCES=1\nSOURCES=2\nSOURCES=3\n", NAME, "new")
    assert edit.shadowed == (1, 2)
    assert (edit.removed, edit.added) == (("SOURCES=3",), "SOURCES=new")


@pytest.mark.parametrize("value", ["a b", 'say "x"', "back\\slash", "$HOME", "it's", "`x`", " "])
def test_every_value_reads_back(value):
    for before in ("", "SOURCES=old\n", 'SOURCES="old"\n', "SOURCES='old'\n"):
        assert effective(with_value(before, NAME, value).text, NAME) == value


def test_behind_an_open_quote_nothing_can_be_appended():
    with pytest.raises(DecodeError, match="open quote"):
        with_value('A="never closed\n', NAME, "new")


def test_an_assignment_knows_its_lines():
    [one, two] = assignments("# c\nA=1\nB=2\\\n3\n")
    assert (one.first, one.last, two.first, two.last) == (1, 1, 2, 3)
