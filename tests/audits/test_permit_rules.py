"""Classification by exact prefix, values of every shape, and the one rule of the verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.audits.permits import (
    Families,
    SourceTally,
    infrastructure_status,
    read_permit,
    sample_of,
)
from qtops.contracts.registry import Names
from qtops.contracts.vocabulary import GateName
from qtops.ports import PermitEntry

G, P, X = GateName.GOVERNOR, GateName.PORTFOLIO, GateName.POSITION
FAMILIES = Families(Names("quantum"))

KEYS = {
    b"quantum:permit:a": (G, b"a"),
    b"quantum:permit:p32:a": (G, b"a"),
    b"quantum:permit:p32:a:b": (G, b"a:b"),
    b"quantum:permit:p26:a": (P, b"a"),
    b"quantum:permit:p33:a": (X, b"a"),
    b"quantum:permit:p26:p33:a": (P, b"p33:a"),
    b"quantum:permit:p33:x:p26:a": (X, b"x:p26:a"),
    b"quantum:permit:p26": (G, b"p26"),
    b"quantum:permit:xp26": (G, b"xp26"),
    b"quantum:permit:{p26}": (G, b"{p26}"),
    b"quantum:permit:a\nquantum": (G, b"a\nquantum"),
    b"quantum:permit:p26:a\np33:b": (P, b"a\np33:b"),
    b"quantum:permit:\xff\xfe": (G, b"\xff\xfe"),
    b"quantum:permit:x:p26:a": None,
    b"quantum:permit:governor:a": None,
    b"quantum:permit:P26:a": None,
    b"quantum:permit:p34:a": None,
    b"quantum:permit::p26:a": None,
    b"quantum:permit:a\n:p26:b": None,
    b"quantum:permit:": None,
    b"quantum:permit:p26:": None,
    b"quantum:permit:p33:": None,
    b"quantum:permit:p32:": None,
    b"quantum:permits:a": None,
    b"other:permit:a": None,
    b"a": None,
}


@pytest.mark.parametrize(("key", "expected"), KEYS.items())
def test_a_key_belongs_to_the_family_of_its_exact_prefix(key, expected):
    assert FAMILIES.classify(key) == expected


def test_another_namespace_has_its_own_families():
    families = Families(Names("{acc1}"))
    assert families.classify(b"{acc1}:permit:p26:a") == (P, b"a")
    assert families.classify(b"quantum:permit:p26:a") is None


@given(st.binary(min_size=1))
def test_the_keys_of_a_plan_are_permits_for_exactly_that_plan(plan_id):
    keys = FAMILIES.keys_of(plan_id)
    assert all(FAMILIES.classify(key)[1] == plan_id for key in keys)
    assert len(keys) == (3 if b":" in plan_id else 4)


VALUES = {
    "ours": (b'{"allow":true,"gate":"p33_position_gate","safe_qty":"2"}', True),
    "ours-denied": (b'{"allow":false,"reason":"no_position"}', False),
    "the-original's-governor": (b'{"granted": true, "computed_qty": 1.5, "consumed": false}', True),
    "words-for-booleans": (b'{"allow":"False"}', False),
    "bare": (b"1", True),
    "bare-newline": (b"1\n", True),
    "bare-zero": (b"0", False),
    "hash": ({b"allow": b"true"}, True),
    "hash-false-is-no": ({b"allow": b"false", b"symbol": b"X"}, False),
    "hash-without-answer": ({b"symbol": b"X"}, None),
    "hash-of-bytes": ({b"\xff": b"1"}, None),
    "garbage": (b"garbage", None),
    "empty": (b"", None),
    "list": (b"[1]", None),
    "nan": (b'{"allow":true,"quantity":NaN}', None),
    "contradiction": (b'{"allow":true,"granted":false}', None),
    "another-gate's": (b'{"allow":true,"gate":"governor"}', None),
    "not-utf8": (b"\xff\xfe", None),
    "deep": (b"[" * 100_000, None),
    "other-type": (None, None),
}


@pytest.mark.parametrize(("value", "allow"), VALUES.values(), ids=VALUES.keys())
def test_values_of_every_shape(value, allow):
    permit = read_permit(PermitEntry(b"k", 5000, "string", value), X, b"plan")
    assert (permit.allow if permit else None) is allow


@given(st.binary() | st.dictionaries(st.binary(), st.binary()))
def test_no_value_breaks_the_reader_or_the_sample(value):
    entry = PermitEntry(b"quantum:permit:p33:x", 5000, "string", value)
    read_permit(entry, X, b"x")
    assert isinstance(sample_of(entry).value, str)


def test_samples_hide_the_signature_and_count_seconds_as_redis_does():
    entry = PermitEntry(b"k\n\xff", 12_600, "string", b'{"allow":true,"sig":"abcdef"}')
    sample = sample_of(entry)
    assert (sample.key, sample.ttl_s) == ("k\n\\xff", 13)
    assert sample.value == '{"allow":true,"sig":"***"}'
    hashed = sample_of(PermitEntry(b"k", -1, "hash", {b"sig": b"abcdef", b"allow": b"1"}))
    assert (hashed.value, hashed.ttl_s) == ('{"allow":"1","sig":"***"}', -1)
    assert sample_of(PermitEntry(b"k", -1, "zset", None)).value == "(zset)"


def tally(gate, *, permits=0, denials=0, decisions=0, beat=None, garbage=0):
    made = SourceTally(gate, "p", decisions=decisions, beat_ms=beat)
    for n, value in enumerate([b"1"] * permits + [b"0"] * denials + [b"?"] * garbage):
        made.add(PermitEntry(b"k%d" % n, 1000, "string", value), b"k", 0)
    return made


def verdict(*sources, plans=0):
    return infrastructure_status(
        [tally(gate, **what) for gate, what in zip(GateName, sources, strict=True)], plans
    )


VERDICTS = {
    "permits": ([{"permits": 1}] * 3, 5, "operational"),
    "decisions-only": ([{"decisions": 2}] * 3, 5, "operational"),
    "a-denial-is-an-answer": ([{"permits": 1}, {"permits": 1}, {"denials": 1}], 1, "operational"),
    "one-silent": (
        [{"permits": 1, "beat": 9}, {"permits": 1, "beat": 9}, {"beat": 9}],
        1,
        "degraded",
    ),
    "idle": ([{"beat": 9}] * 3, 0, "idle"),
    "idle-but-one-is-dead": ([{"beat": 9}, {"beat": 9}, {}], 0, "degraded"),
    "a-heartbeat-without-expiry": ([{"beat": 9}, {"beat": 9}, {"beat": -1}], 0, "degraded"),
    "plans-came-and-nobody-answered": ([{"beat": 9}] * 3, 1, "degraded"),
    "nothing-at-all": ([{}] * 3, 0, "degraded"),
    "garbage-is-no-permit": ([{"garbage": 3}] * 3, 0, "degraded"),
}


@pytest.mark.parametrize(("sources", "plans", "expected"), VERDICTS.values(), ids=VERDICTS.keys())
def test_the_verdict(sources, plans, expected):
    assert verdict(*sources, plans=plans) == expected


def test_the_sample_keeps_the_permits_with_most_life_left():
    made = SourceTally(G, "p")
    for n in (3, 1, 5, 2, 4):
        made.add(PermitEntry(b"k%d" % n, n * 1000, "string", b"1"), b"k", 2)
    assert [sample.ttl_s for sample in made.samples] == [5, 4]
    assert made.count == 5
