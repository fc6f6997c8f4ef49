"""Booleans, times and JSON have one meaning each, or none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.codec import (
    Fields,
    canonical_json,
    decode_fields,
    fmt_bool,
    fmt_instant,
    parse_bool,
    parse_instant_ms,
    parse_json_object,
    text_of,
)
from qtops.errors import DecodeError
from tests.strategies import D, times_ms


@given(value=st.booleans(), data=st.data())
def test_a_boolean_is_read_in_any_spelling_and_case(value, data):
    words = {True: ["true", "1", "yes"], False: ["false", "0", "no"]}[value]
    word = data.draw(st.sampled_from(words))
    cased = "".join(data.draw(st.sampled_from([c.lower(), c.upper()])) for c in word)
    assert parse_bool(cased, "x") is value
    assert parse_bool(fmt_bool(value), "x") is value


@given(word=st.text(max_size=8))
def test_every_other_text_is_no_boolean(word):
    if word.strip().strip('"').lower() in {"true", "1", "yes", "false", "0", "no"}:
        return
    with pytest.raises(DecodeError) as fault:
        parse_bool(word, "reduceOnly")
    assert (fault.value.reason, fault.value.field) == ("bad_bool", "reduceOnly")


@given(ms=times_ms)
def test_an_instant_survives_rfc_3339_to_the_millisecond(ms):
    assert parse_instant_ms(fmt_instant(ms)) == ms


@given(ms=times_ms)
def test_an_instant_is_read_in_milliseconds_and_in_seconds(ms):
    assert parse_instant_ms(str(ms)) == ms
    seconds = D(ms) / 1000
    if seconds < 100_000_000_000:
        assert parse_instant_ms(str(seconds)) == ms


INSTANTS = {
    "seconds": "1770595200",
    "seconds-with-fraction": "1770595200.000",
    "milliseconds": "1770595200000",
    "zulu": "2026-02-09T00:00:00Z",
    "offset": "2026-02-09T02:00:00+02:00",
    "naive-is-utc": "2026-02-09T00:00:00",
    "microseconds-are-cut": "2026-02-09T00:00:00.000999Z",
}


@pytest.mark.parametrize("raw", INSTANTS.values(), ids=INSTANTS.keys())
def test_an_instant_is_read_in_the_shapes_producers_use(raw):
    assert parse_instant_ms(raw) == 1_770_595_200_000


@pytest.mark.parametrize(
    "raw",
    ["", "yesterday", "NaN", "Infinity", "-1", "1e30", "1e999999999", "1969-12-31T23:59:59Z"],
)
def test_what_is_no_time_is_refused(raw):
    with pytest.raises(DecodeError) as fault:
        parse_instant_ms(raw)
    assert fault.value.reason == "bad_time"


NOT_OBJECTS = {
    "nothing": "",
    "a-list": "[1]",
    "a-number": "1",
    "a-string": '"x"',
    "cut-short": '{"a": 1',
    "not-a-number": '{"a": NaN}',
    "infinity": '{"a": -Infinity}',
    "an-exponent-beyond-decimals": '{"a": 1e99999999999999999999}',
    "an-integer-beyond-python": '{"a": ' + "9" * 5000 + "}",
    "too-deep": '{"a":' * 100_000,
    "half-a-surrogate-pair": '{"a": "\\ud800"}',
    "half-a-pair-as-a-name": '{"\\uDC00": 1}',
}


@pytest.mark.parametrize("raw", NOT_OBJECTS.values(), ids=NOT_OBJECTS.keys())
def test_what_is_no_json_object_is_refused(raw):
    with pytest.raises(DecodeError) as fault:
        parse_json_object(raw, "payload")
    assert (fault.value.reason, fault.value.field) == ("bad_json", "payload")


def test_no_float_enters_through_json():
    value = parse_json_object('{"a": 0.1, "b": [1.5, {"c": 2e3}], "d": "\\ud83d\\ude00"}', "x")
    assert value == {"a": D("0.1"), "b": [D("1.5"), {"c": D("2e3")}], "d": "\U0001f600"}
    assert text_of(value["a"]) == "0.1"
    assert json.loads(text_of(value["b"])) == ["1.5", {"c": "2E+3"}]


def test_bytes_that_are_not_utf8_are_refused():
    with pytest.raises(DecodeError) as fault:
        decode_fields({b"qty": b"\xff"})
    assert fault.value.reason == "bad_utf8"


@given(raw=st.dictionaries(st.text(min_size=1), st.text(), max_size=5), data=st.data())
def test_the_rest_is_exactly_what_was_not_taken(raw, data):
    taken = data.draw(st.sets(st.sampled_from(sorted(raw)))) if raw else set()
    fields = Fields(raw)
    for name in taken:
        assert fields.take(name) == (raw[name] or None)
    assert fields.rest() == {k: v for k, v in raw.items() if k not in taken}


@given(raw=st.dictionaries(st.text(), st.text(), max_size=5))
def test_canonical_json_is_one_text_for_one_value(raw):
    assert canonical_json(dict(reversed(raw.items()))) == canonical_json(raw)
    assert json.loads(canonical_json(raw)) == raw
