"""Any document becomes a page that says all of it, and nothing in it becomes markup."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.errors import DecodeError
from qtops.reports.anything import label, sections_of
from qtops.reports.blocks import MOST_ROWS, count_chart
from qtops.reports.saved import Origin, saved_html, saved_markdown, view_of
from tests.reports.documents import ALL, envelope, error, refusals, trace, unknown

ORIGIN = Origin("saved.json", "ab" * 32)


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.names, self.text = set(), ""
        self.attributes = set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", ALL)
def test_what_a_document_says_is_text(name):
    page = Tags(saved_html(ALL[name], ORIGIN))
    assert not page.names & {"img", "script", "iframe", "object"}
    assert not {name for name in page.attributes if name.startswith("on")}
    assert "\u202e" not in page.text
    text = saved_markdown(ALL[name], ORIGIN)
    assert "<img" not in text
    assert "](http" not in text
    assert text.count("```") % 2 == 0


@pytest.mark.parametrize(
    ("document", "state", "words"),
    [
        (trace(), "broken", "refused by position gate: no_position"),
        (refusals(), "attention", "40 plans, 3 executed, 37 refused"),
        (error(), "broken", "Redis is away"),
        (unknown(), "broken", "2 of 3 moons shine"),
        (envelope("qtops.x/v1"), "fine", "exit code 0: done or healthy"),
        ({"schema": "qtops.event/v1", "n": 1}, "attention", "no exit code"),
    ],
)
def test_the_verdict_leads(document, state, words):
    view = view_of(document, ORIGIN)
    assert (view.state, words in view.sentence) == (state, True)


def test_a_known_shape_that_does_not_fit_is_shown_as_it_is():
    view = view_of(trace() | {"plans": [{"plan_id": "p"}]}, ORIGIN)
    assert "does not have the shape" in view.findings[0].text
    assert "plans" in [section.title for section in view.sections]


def test_no_schema_is_no_document():
    with pytest.raises(DecodeError, match="no schema"):
        view_of({"status": "ok"}, ORIGIN)


def test_a_trace_has_its_hops_on_one_scale():
    chart = view_of(trace(), ORIGIN).sections[0].blocks[1]
    bars = {bar.label: bar for bar in chart.timeline.bars}
    assert (str(bars["result"].left), str(bars["result"].width)) == ("62.50", "37.50")
    assert bars["position gate"].state == "broken"
    assert bars["order"].width == 0
    assert bars["governor"].value == "1.5 ms"


def test_cut_streams_are_said():
    assert "dlq was not read" in view_of(trace(), ORIGIN).findings[0].text


def test_depth_is_in_the_titles_and_tables_have_their_units():
    sections = {section.title: section for section in sections_of(unknown())}
    titles = [block.title for block in sections["moons"].blocks]
    assert titles == ["", "Io / craters"]
    table = sections["moons"].blocks[1]
    assert [column.title for column in table.columns] == ["d m"]
    assert label("since_plan_us") == "since plan, µs"
    assert sections["text"].blocks[0].lines[1:] == ["```", "second"]


def test_long_tables_say_what_they_leave_out():
    rows = [{"n": n} for n in range(MOST_ROWS + 7)]
    page = saved_html(envelope("qtops.x/v1") | {"rows": rows}, ORIGIN)
    assert "and 7 more" in page
    assert page.count("<tr>") == MOST_ROWS + 1


def test_a_count_of_zero_has_no_bar():
    bars = count_chart("t", "plans", [("a", 0, "fine"), ("b", 4, "fine")]).timeline.bars
    assert [(bar.width > 0, bar.value) for bar in bars] == [(False, "0"), (True, "4")]


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=12)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=5))
def test_every_json_value_has_a_page(found):
    document = envelope("qtops.any/v1") | {f"x{name}": value for name, value in found.items()}
    page = saved_html(document, ORIGIN)
    assert page.count("<h1>") == 1
    assert saved_markdown(document, ORIGIN).startswith("# ")


@given(values)
def test_every_text_is_on_the_page(value):
    document = envelope("qtops.any/v1") | {"value": {"marker": "m4rk3r", "value": value}}
    assert "m4rk3r" in Tags(saved_html(document, ORIGIN)).text
    for number in re.findall(r"\d{3,}", str(value)):
        assert number in saved_html(document, ORIGIN)
