"""What is tradable, which list may be served, and whose list a reader takes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.facts import Known, Missing
from qtops.contracts.universe import Allowlist, Tier, UniverseList, UniverseMeta
from qtops.errors import DecodeError
from qtops.gates.universe import UniverseAges, choose, flaw, is_drop, tradable
from tests.strategies import NOW, filters

AGES = UniverseAges(active_ms=180_000, last_ok_ms=300_000)
ENV = frozenset({"ENVUSDT"})
names = st.from_regex(r"[A-Z0-9]{1,26}USDT", fullmatch=True)
lists = st.builds(UniverseList, st.frozensets(names, min_size=1), st.integers(0, 2**45))

LISTED = {
    "a perpetual": ("BTCUSDT", "PERPETUAL", "TRADING", True),
    "of one letter": ("TUSDT", "PERPETUAL", "TRADING", True),
    "with digits": ("1000PEPEUSDT", "PERPETUAL", "TRADING", True),
    "of another script": ("币安人生USDT", "PERPETUAL", "TRADING", True),
    "in settlement": ("BTCUSDT", "PERPETUAL", "SETTLING", False),
    "not begun": ("BTCUSDT", "", "PENDING_TRADING", False),
    "a quarterly": ("BTCUSDT_260327", "CURRENT_QUARTER", "TRADING", False),
    "a quarterly that says perpetual": ("BTCUSDT_260327", "PERPETUAL", "TRADING", False),
    "on shares": ("TSLAUSDT", "TRADIFI_PERPETUAL", "TRADING", False),
    "of another margin": ("BTCUSDC", "PERPETUAL", "TRADING", False),
    "against bitcoin": ("ETHBTC", "PERPETUAL", "TRADING", False),
    "without a base": ("USDT", "PERPETUAL", "TRADING", False),
    "in small letters": ("btcusdt", "PERPETUAL", "TRADING", False),
}


@pytest.mark.parametrize(("symbol", "kind", "status", "wanted"), LISTED.values(), ids=LISTED)
def test_what_is_tradable(symbol, kind, status, wanted):
    rule = replace(filters(), symbol=symbol, contract_type=kind, status=status)
    assert tradable([rule]) == (frozenset({symbol}) if wanted else frozenset())


@pytest.mark.parametrize(
    ("count", "word"), [(0, "empty"), (1, ""), (800, ""), (801, "too_long: 801 symbols")]
)
def test_a_list_that_must_not_be_served(count, word):
    why = flaw(frozenset(f"A{n}USDT" for n in range(count)), 800)
    assert why.startswith(word)
    assert bool(why) == bool(word)


@pytest.mark.parametrize(
    ("before", "now", "drop"),
    [
        ("ABCD", "ABCDE", False),
        ("ABCD", "AB", False),
        ("ABCD", "A", True),
        ("ABCD", "WXYZ", True),
        ("ABC", "AB", False),
        ("ABC", "A", True),
        ("A", "A", False),
    ],
)
def test_a_drop_is_more_than_half_of_what_was_there(before, now, drop):
    assert is_drop(frozenset(now), frozenset(before)) is drop


def listed(age_ms, name):
    return Known(UniverseList(frozenset({name}), NOW - age_ms), NOW - age_ms)


GONE = Missing("absent")
TIERS = {
    "nothing stored": (GONE, GONE, Tier.ENV),
    "both fresh": (listed(0, "A"), listed(0, "L"), Tier.ACTIVE),
    "active at its limit": (listed(180_000, "A"), listed(0, "L"), Tier.ACTIVE),
    "active past it": (listed(180_001, "A"), listed(180_001, "L"), Tier.LAST_OK),
    "active unreadable": (Missing("unreadable: x"), listed(0, "L"), Tier.LAST_OK),
    "last good at its limit": (GONE, listed(300_000, "L"), Tier.LAST_OK),
    "last good past it": (GONE, listed(300_001, "L"), Tier.ENV),
    "from a clock ahead of ours": (listed(-1_000, "A"), GONE, Tier.ACTIVE),
    "from the future": (listed(-1_001, "A"), GONE, Tier.ENV),
}


@pytest.mark.parametrize(("active", "last_ok", "tier"), TIERS.values(), ids=TIERS)
def test_which_tier_is_taken(active, last_ok, tier):
    found = choose(active, last_ok, ENV, NOW, AGES).value
    of = {Tier.ACTIVE: {"A"}, Tier.LAST_OK: {"L"}, Tier.ENV: ENV}
    assert (found.tier, found.symbols) == (tier, of[tier])


@pytest.mark.parametrize(("active", "last_ok", "tier"), TIERS.values(), ids=TIERS)
def test_without_a_list_of_its_own_a_reader_is_told_why_it_has_none(active, last_ok, tier):
    found = choose(active, last_ok, None, NOW, AGES)
    if tier is Tier.ENV:
        assert isinstance(found, Missing)
        assert all(word in found.why for word in ("active ", "last_ok "))
    else:
        assert found.value.tier is tier


def test_a_skipped_tier_is_named_with_its_reason():
    found = choose(listed(200_000, "A"), listed(400_000, "L"), ENV, NOW, AGES).value
    assert found.skipped == (
        "active is 200000 ms old, limit 180000 ms; last_ok is 400000 ms old, limit 300000 ms"
    )


def test_an_empty_list_of_its_own_is_a_list_and_allows_nothing():
    found = choose(GONE, GONE, frozenset(), NOW, AGES)
    assert found == Known(Allowlist(frozenset(), Tier.ENV, "active absent; last_ok absent"), NOW)


@given(lists)
def test_a_list_comes_back_as_it_was_written_and_sorted(original):
    text = original.to_json()
    assert UniverseList.from_json(text) == original
    assert UniverseList(original.symbols, original.observed_at_ms).to_json() == text


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "[]",
        "{}",
        '{"symbols":["BTCUSDT"]}',
        '{"observed_at_ms":"1","symbols":["BTCUSDT"]}',
        '{"observed_at_ms":true,"symbols":["BTCUSDT"]}',
        '{"observed_at_ms":1,"symbols":[]}',
        '{"observed_at_ms":1,"symbols":"BTCUSDT"}',
        '{"observed_at_ms":1,"symbols":["BTCUSDT","ETHBTC"]}',
        '{"observed_at_ms":1,"symbols":[7]}',
    ],
)
def test_a_list_that_cannot_be_read_raises(raw):
    with pytest.raises(DecodeError):
        UniverseList.from_json(raw)


@given(
    st.builds(
        UniverseMeta,
        st.just("sandbox"),
        st.integers(0, 900),
        st.none() | st.integers(0, 2**45),
        st.integers(0, 2**45),
        st.sampled_from(["", "drop: 3 to 1"]),
    )
)
def test_meta_comes_back_as_it_was_written(meta):
    fields = meta.to_fields()
    assert UniverseMeta.from_fields(fields) == meta
    assert fields["stale"] == ("1" if meta.reason else "0")


def test_meta_that_says_stale_without_a_reason_is_stale():
    fields = UniverseMeta("sandbox", 1, 1, 1).to_fields() | {"stale": "1"}
    assert UniverseMeta.from_fields(fields).stale
