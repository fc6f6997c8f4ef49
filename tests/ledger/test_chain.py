"""Whatever is done to a log afterwards is found, and the first entry that shows it is named."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.ledger.chain import check_head, read_chain
from qtops.ledger.entry import canonical
from tests.ledger.conftest import entry, log_of


def test_an_honest_chain_has_no_fault():
    lines = log_of([entry(n) for n in range(1, 6)])
    assert read_chain(b"".join(lines)).faults == []


def edited(lines):
    return [*lines[:2], lines[2].replace(b'"x"', b'"y"'), *lines[3:]]


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (edited, "OPS-2026-01-27-003"),
        (lambda lines: edited(lines)[:3], "OPS-2026-01-27-003"),
        (lambda lines: lines[:1] + lines[2:], "OPS-2026-01-27-003"),
        (lambda lines: lines[1:], "OPS-2026-01-27-002"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "OPS-2026-01-27-003"),
        (lambda lines: [*lines[:2], log_of([entry(9)])[0], *lines[2:]], "OPS-2026-01-27-009"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "OPS-2026-01-27-002"),
        (lambda lines: [*lines, b'{"a"'], "last line"),
        (lambda lines: [*lines[:1], b"junk\n", *lines[1:]], "line 2"),
    ],
    ids=["edit", "edit-last", "remove", "behead", "swap", "insert", "twice", "torn", "junk"],
)
def test_tampering_is_found_and_the_first_is_named(change, first):
    faults = read_chain(b"".join(change(log_of([entry(n) for n in range(1, 6)])))).faults
    assert faults[0].where.startswith(first)


def test_a_cut_tail_is_found_by_a_recorded_head():
    lines = log_of([entry(n) for n in range(1, 6)])
    head = read_chain(b"".join(lines)).head
    assert check_head(read_chain(b"".join(lines)).records, head, "tag") is None
    cut = read_chain(b"".join(lines[:4]))
    assert cut.faults == []
    assert "tail" in check_head(cut.records, head, "tag").text


# --- any single change to any chain ---------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CHAINS = st.lists(TEXTS, min_size=2, max_size=8).map(
    lambda notes: log_of([entry(n, notes=text) for n, text in enumerate(notes, start=1)])
)


def first_fault(lines):
    return read_chain(b"".join(lines)).faults[0].where


def named(number, line):
    return f"OPS-2026-01-27-{number:03d} (line {line})"


@given(CHAINS)
def test_a_chain_as_written_has_no_fault(lines):
    assert read_chain(b"".join(lines)).faults == []


@given(CHAINS, st.data())
def test_any_edit_of_any_field_is_found_where_it_was_made(lines, data):
    at = data.draw(st.integers(0, len(lines) - 1))
    record = json.loads(lines[at])
    name = data.draw(st.sampled_from(sorted(record.keys() - {"operation_id"})))
    old = record[name]
    fresh = st.integers(0, 99) if isinstance(old, int) else TEXTS
    record[name] = data.draw(fresh.filter(lambda new: new != old))
    edited = [*lines[:at], canonical(record) + b"\n", *lines[at + 1 :]]
    assert first_fault(edited) == named(at + 1, at + 1)


@given(CHAINS, st.data())
def test_any_byte_that_is_another_is_found_in_its_line(lines, data):
    at = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[at]) - 2))
    other = data.draw(st.integers(0, 255).filter(lambda b: b not in {lines[at][place], 10}))
    changed = lines[at][:place] + bytes([other]) + lines[at][place + 1 :]
    where = first_fault([*lines[:at], changed, *lines[at + 1 :]])
    assert where.endswith(f"line {at + 1})") or where == f"line {at + 1}"


@given(CHAINS, st.data())
def test_any_removal_is_found_at_what_follows(lines, data):
    at = data.draw(st.integers(0, len(lines) - 2))
    assert first_fault(lines[:at] + lines[at + 1 :]) == named(at + 2, at + 1)


@given(CHAINS, st.data())
def test_any_two_that_changed_places_are_found_at_the_first(lines, data):
    one, two = sorted(
        data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
    )
    swapped = list(lines)
    swapped[one], swapped[two] = lines[two], lines[one]
    assert first_fault(swapped) == named(two + 1, one + 1)


@given(CHAINS, st.data())
def test_any_entry_that_stands_there_twice_is_found_at_the_second(lines, data):
    source = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines)).filter(lambda n: n != source))
    assert first_fault([*lines[:at], lines[source], *lines[at:]]) == named(source + 1, at + 1)


@given(CHAINS, st.data(), st.integers(1, 3))
def test_any_entry_of_another_log_is_found_where_it_was_put(lines, data, number):
    foreign = log_of([entry(n) for n in (90, 91, 92, 93)])[number]
    at = data.draw(st.integers(0, len(lines)))
    assert first_fault([*lines[:at], foreign, *lines[at:]]) == named(90 + number, at + 1)


@given(CHAINS, st.data())
def test_any_cut_is_found_by_a_head_recorded_before(lines, data):
    kept = data.draw(st.integers(0, len(lines) - 1))
    recorded = data.draw(st.integers(kept, len(lines) - 1))
    head = json.loads(lines[recorded])["entry_hash"]
    cut = read_chain(b"".join(lines[:kept]))
    assert cut.faults == []
    assert "tail" in check_head(cut.records, head, "tag").text


@given(CHAINS, st.data())
def test_any_cut_inside_a_line_is_found_by_itself(lines, data):
    whole = b"".join(lines)
    ends = {0, *(len(b"".join(lines[:n])) for n in range(len(lines) + 1))}
    size = data.draw(st.integers(1, len(whole) - 1).filter(lambda n: n not in ends))
    assert read_chain(whole[:size]).faults[0].where == "last line"
