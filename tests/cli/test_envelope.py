"""With --json stdout is exactly one document, whatever happens."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import PurePosixPath

import pytest

from qtops.cli.output import jsonable
from qtops.errors import ExitCode, OutcomeClass


def test_the_payload_stands_beside_the_envelope(fake):
    assert fake("works", "--count", "3", "--json").document == {
        "schema": "qtops.fake/v1",
        "timestamp": "2026-01-27T01:34:22.123Z",
        "status": "operational",
        "exit_code": 0,
        "count": 3,
        "notes": "",
    }


def test_an_error_document_has_all_its_keys(fake):
    assert fake("fails", "config", "--json").document == {
        "schema": "qtops.error/v1",
        "timestamp": "2026-01-27T01:34:22.123Z",
        "status": "error",
        "exit_code": 1,
        "error": {"code": "config", "message": "GOV_X is wrong", "hint": "unset it"},
    }


def test_a_fault_after_the_result_adds_no_second_document(fake):
    run = fake("unhealthy", "--after", "host", "--json")
    assert run.document["schema"] == "qtops.fake/v1"
    assert run.err == "error: systemctl failed\n"
    assert run.code == 1


def test_a_command_with_nothing_to_say_still_gives_a_document(fake):
    run = fake("silent", "--json")
    assert run.document["schema"] == "qtops.done/v1"
    assert run.document["exit_code"] == 0
    assert fake("silent").out == ""


def test_quiet_does_not_silence_json(fake):
    assert fake("works", "-q", "--json").document["count"] == 1


def test_events_are_json_lines(fake):
    lines = fake("events", "--json").out.splitlines()
    assert [json.loads(line)["n"] for line in lines] == [1, 2]
    assert fake("events", "--json", tty=True).out.count("\n") == 2
    assert fake("events").out == "event 1\nevent 2\n"


@pytest.mark.parametrize("kind", ["object", "nan", "clash"])
def test_a_result_that_is_no_document_still_ends_in_one(fake, kind):
    run = fake("bad-json", kind, "--json")
    assert run.code == 1
    assert run.document["error"]["code"] == "bug"


def test_text_outside_the_result_does_not_break_the_document(fake):
    assert fake("stray", "--json").document["schema"] == "qtops.done/v1"
    assert fake("stray").out == "  stray\n"


def test_a_pipe_gets_one_line_and_a_terminal_an_indented_document(fake):
    assert fake("works", "--json").out.count("\n") == 1
    on_terminal = fake("works", "--json", tty=True)
    assert on_terminal.out.startswith('{\n  "schema"')
    assert "\x1b" not in on_terminal.out


def test_json_is_ascii_where_stdout_is_not_utf8(fake):
    run = fake("works", "--notes", "på", "--json", encoding="ascii")
    assert run.out.isascii()
    assert run.document["notes"] == "på"


def test_arguments_that_are_not_text_survive(fake):
    run = fake("works", "--notes", "\udcff", "--json", encoding="ascii")
    assert run.document["notes"] == "\udcff"


@dataclass
class Thing:
    amount: Decimal


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("0.00010"), "0.00010"),
        (Decimal("1E+3"), "1000"),
        (True, True),
        (None, None),
        (ExitCode.REFUSED, 4),
        (OutcomeClass.FINAL, "final"),
        ((1, "a"), [1, "a"]),
        ({"b", "a"}, ["a", "b"]),
        (PurePosixPath("/a"), "/a"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        ({1: Thing(Decimal("1.50"))}, {"1": {"amount": "1.50"}}),
    ],
)
def test_values_keep_their_meaning_in_json(value, expected):
    assert jsonable(value, str) == expected


def test_a_value_without_a_json_form_is_a_bug():
    with pytest.raises(TypeError, match="object has no JSON form"):
        jsonable(object(), str)
