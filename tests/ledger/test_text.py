"""Values come back from every view as they went in, and cannot become anything else."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qtops.ledger.chain import check_head, read_chain
from qtops.ledger.entry import GENESIS, canonical, chained, content_key, next_id
from qtops.ledger.markdown import block, entry_blocks, rebuilt, stripped
from qtops.ledger.yamltext import dump, load

SAMPLES = Path(__file__).parent / "samples"
NASTY = [
    "a: b",
    "- dash",
    "'single' \"double\"",
    "line\nline\n",
    "line\nline",
    "\n\nlead",
    " lead\n  x\n",
    "trail \nx\n",
    "tab\there",
    "💥 emoji\n💥\n",
    "$9 .93",
    "no",
    "1234e567",
    "12:30:45",
    "```\n## 2026-01\n```yaml\noperation_id: OPS-2026-01-27-999\n",
    "```",
    "# comment",
    "x #y",
    "---\n",
    "...\n",
    "\r\n",
    "\x85\u2028",
    "2026-01-27T06:15:30Z",
    "null",
    "=",
    "<<",
    "\ufeff",
    "!tag",
    "&a",
]


def entry(n=1, **fields):
    made = {
        "operation_id": f"OPS-2026-01-27-{n:03d}",
        "operation_name": "x",
        "execution_timestamp": "2026-01-27T06:15:30Z",
        "risk_class": "READ_ONLY",
        "outcome": "SUCCESS",
    } | fields
    return made | {"content_key": content_key(made)}


def log_of(entries):
    head, lines = GENESIS, []
    for seq, item in enumerate(entries):
        record = chained(item, seq, head)
        head = record["entry_hash"]
        lines.append(canonical(record) + b"\n")
    return lines


def one_comes_back(text):
    made = entry(notes=text, objective=text)
    for loaded in (load(dump(made)), yaml.safe_load(dump(made))):
        assert (loaded["notes"], loaded["objective"]) == (text, text)
    [found] = entry_blocks("# head\n\n" + block(made) + "after\n")
    assert load(found.body.removeprefix("---\n")) == made


@pytest.mark.parametrize("text", NASTY)
def test_a_nasty_value_comes_back(text):
    one_comes_back(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_value_comes_back(text):
    one_comes_back(text)


@given(st.text(st.sampled_from("ab:`~-# \n"), max_size=60))
def test_text_of_markup_comes_back(text):
    one_comes_back(text)


@pytest.mark.parametrize("name", ["deploy", "rollback"])
def test_a_founding_sample_is_rendered_with_the_same_content_and_order(name):
    sample = (SAMPLES / f"{name}.yaml").read_text()
    made = load(sample.removeprefix("---\n"))
    again = dump(made)
    assert yaml.safe_load(again) == yaml.safe_load(sample)
    assert list(yaml.safe_load(again)) == list(yaml.safe_load(sample))


def test_rebuilding_keeps_the_text_between():
    text = (
        "# T\r\n\r\nprose\n\n## 2026-02\n\nfeb prose\n```sh\n## 2026-01\n```\n\n## 2025-12\nold\n"
    )
    entries = [chained(entry(n), n, GENESIS) for n in (1, 2, 3)]
    page = rebuilt(text, entries)
    assert [found.operation_id[-3:] for found in entry_blocks(page)] == ["003", "002", "001"]
    assert re.findall(r"^## .*", page, re.MULTILINE) == [
        "## 2026-02",
        "## 2026-01",
        "## 2026-01",
        "## 2025-12",
    ]
    assert rebuilt(page, entries) == page
    assert stripped(page, frozenset()).replace("## 2026-01\n\n## 2025", "## 2025") == text
    assert rebuilt(rebuilt(text, entries[:2]), entries) == page


def test_ids_grow_to_four_digits():
    assert next_id("2026-01-27", []) == "OPS-2026-01-27-001"
    assert next_id("2026-01-27", ["OPS-2026-01-27-999"]) == "OPS-2026-01-27-1000"
    assert next_id("2026-01-27", ["OPS-2026-01-27-1000"]) == "OPS-2026-01-27-1001"
    assert next_id("2026-01-28", ["OPS-2026-01-27-1000"]) == "OPS-2026-01-28-001"


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
