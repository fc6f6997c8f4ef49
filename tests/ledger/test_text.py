"""Values come back from every view as they went in, and cannot become anything else."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qtops.ledger.entry import GENESIS, chained, next_id
from qtops.ledger.markdown import (
    block,
    entry_blocks,
    month_of,
    placed,
    placed_bytes,
    rebuilt,
    stripped,
)
from qtops.ledger.rules import Policy
from qtops.ledger.yamltext import bodies_of, dump, load
from tests.ledger.conftest import entry

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
    page = rebuilt(text, bodies_of(entries))
    assert [found.operation_id[-3:] for found in entry_blocks(page)] == ["003", "002", "001"]
    assert re.findall(r"^## .*", page, re.MULTILINE) == [
        "## 2026-02",
        "## 2026-01",
        "## 2026-01",
        "## 2025-12",
    ]
    assert rebuilt(page, bodies_of(entries)) == page
    assert stripped(page, frozenset()).replace("## 2026-01\n\n## 2025", "## 2025") == text
    assert rebuilt(rebuilt(text, bodies_of(entries[:2])), bodies_of(entries)) == page


def test_ids_grow_to_four_digits():
    assert next_id("2026-01-27", []) == "OPS-2026-01-27-001"
    assert next_id("2026-01-27", ["OPS-2026-01-27-999"]) == "OPS-2026-01-27-1000"
    assert next_id("2026-01-27", ["OPS-2026-01-27-1000"]) == "OPS-2026-01-27-1001"
    assert next_id("2026-01-28", ["OPS-2026-01-27-1000"]) == "OPS-2026-01-28-001"


@given(
    st.lists(
        st.sampled_from(
            [
                "## 2026-02\n",
                "## 2026-01\n",
                "## 2025-12",
                "```\n",
                "~~~\n",
                "é💥\r\n",
                "\xa0\x85",
                "\n",
            ]
        )
    ).map("".join),
    st.sampled_from(NASTY),
)
def test_a_page_is_the_same_whether_its_text_or_its_bytes_are_moved(page, notes):
    made = entry(notes=notes)
    moved = placed_bytes(page.encode(), month_of(made["operation_id"]), block(made))
    assert b"".join(moved).decode() == placed(page, month_of(made["operation_id"]), block(made))


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("SERVICE_RESTART", True),
        ("SERVICE_RESTART + FILESYSTEM_WRITE", True),
        ("read_only, service_restart", True),
        ("READ_ONLY", False),
        ("READ_ONLY + FILESYSTEM_WRITE", False),
        ("READ_ONLY + REBOOT", True),
        ("-", True),
    ],
)
def test_of_several_risk_classes_the_strictest_counts(written, wanted):
    assert Policy(frozenset({"SERVICE_RESTART"})).wants_approval(written) is wanted
    assert not Policy().wants_approval(written)
