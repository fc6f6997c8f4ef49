"""A monitor that cries at every flicker is switched off; one that stays silent is worse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.alerting import (
    FLAPS_FROM,
    WINDOW,
    AlertKind,
    Watch,
    decode_watch,
    encode_watch,
    observe,
)
from qtops.contracts.health import Status
from qtops.errors import DecodeError

LETTERS = {"o": Status.OK, "w": Status.WARN, "f": Status.FAIL, "u": Status.UNKNOWN}
MINUTE = 60_000


def said(passes):
    """What is said after each pass: `.` for nothing."""
    watch, words = Watch(), ""
    for number, letter in enumerate(passes, start=1):
        watch, alert = observe(watch, LETTERS[letter], number * MINUTE)
        words += alert.kind.value[0] if alert else "."
    return words


@pytest.mark.parametrize(
    ("passes", "words"),
    [
        ("ooo", "..."),
        ("f", "c"),
        ("offf", ".c.."),
        ("oww", "..c"),
        ("owo", "..."),
        ("ouu", "..c"),
        ("offoo", ".c..c"),
        ("ofofofof", ".c....f."),
        ("ofofofofo" + "o" * 20, ".c....f.." + "." * 16 + "s..."),
    ],
)
def test_what_is_said_and_when(passes, words):
    assert said(passes) == words


def test_the_alert_says_how_long_the_last_word_stood():
    watch, _ = observe(Watch(), Status.OK, 1_000)
    _, alert = observe(watch, Status.FAIL, 61_000)
    assert (alert.kind, alert.before, alert.now) == (AlertKind.CHANGED, Status.OK, Status.FAIL)
    assert alert.held_ms == MINUTE


passes = st.lists(st.sampled_from(sorted(LETTERS)), max_size=120).map("".join)


@given(passes)
def test_a_fault_that_stays_is_said_before_long(before):
    words = said(before + "f" * (WINDOW + 1))
    watch = Watch()
    for number, letter in enumerate(before + "f" * (WINDOW + 1), start=1):
        watch, _ = observe(watch, LETTERS[letter], number * MINUTE)
    assert words
    assert watch.said is Status.FAIL
    assert not watch.is_flapping


@given(passes)
def test_it_says_less_than_it_sees(sequence):
    changes = sum(a != b for a, b in zip("o" + sequence, sequence, strict=False))
    alerts = sum(word != "." for word in said(sequence))
    assert alerts <= changes + changes // FLAPS_FROM


@given(passes)
def test_the_state_survives_the_file(sequence):
    watch = Watch()
    for number, letter in enumerate(sequence, start=1):
        watch, _ = observe(watch, LETTERS[letter], number * MINUTE)
        watch = decode_watch(encode_watch(watch))
    again = Watch()
    for number, letter in enumerate(sequence, start=1):
        again, _ = observe(again, LETTERS[letter], number * MINUTE)
    assert watch == again


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema":"x"}', "nonsense"])
def test_a_state_that_cannot_be_read_is_refused(text):
    with pytest.raises(DecodeError):
        decode_watch(text)


def test_a_state_with_an_unknown_word_is_refused():
    text = encode_watch(Watch()).replace('"ok"', '"fine"')
    with pytest.raises(DecodeError):
        decode_watch(text)
