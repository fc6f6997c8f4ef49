"""Both reports say the whole proof, whatever it contains, and contain nothing of their own."""

import copy
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from qtops.errors import DecodeError
from qtops.reports import markdown
from qtops.reports.exit_proof import exit_proof_html, exit_proof_markdown
from tests.reports import samples as s

HOSTILE = (
    "<script>alert('x')</script>|`a`\n# head\n```\n{{ 7*7 }} [a](http://evil) \u202e & \\| __b__"
)
VOID = {"meta", "link", "img", "br", "hr", "input", "rect", "line"}
LOADS = {"src", "srcset", "data", "action", "formaction", "background", "poster", "xlink:href"}

MIXED = {
    "proven": s.proven,
    "a silent gate": s.governor_silent,
    "a lost result": lambda: s.payload(s.lost_round(), silent=("executor",)),
    "disagreement": lambda: s.payload(s.disagreeing_round(), asked=4, resumed=False),
    "a denied exit": lambda: s.payload(s.denied_round()),
    "a short": lambda: s.payload(s.short_round()),
    "nothing at all": s.payload,
}
every_case = pytest.mark.parametrize("build", MIXED.values(), ids=MIXED)


class Page(HTMLParser):
    """Tags, attributes, text; every element must be closed in its order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attrs, self.text, self._open = [], [], [], []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attrs += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attrs += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def hostile(value):
    """Every string in the payload that is foreign text, made hostile; keys too."""
    kept = {"verdict", "side", "timeline_ms", "gate", "missing_permits"}
    if isinstance(value, dict):
        return {k: v if k in kept else hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile(v) for v in value]
    return value + HOSTILE if isinstance(value, str) else value


def hostile_payload():
    payload = hostile(s.payload(s.disagreeing_round(), s.silent_governor_round(), s.lost_round(3)))
    payload["services"] = {HOSTILE: False}
    payload["rounds"][0]["plan"][HOSTILE] = HOSTILE
    payload["rounds"][0]["timeline_ms"][HOSTILE] = "3.000"
    payload["rounds"][0]["exchange"]["fees"] = {HOSTILE: "1"}
    return payload


@every_case
def test_the_page_is_well_formed_and_needs_nothing_but_itself(build):
    html = exit_proof_html(build())
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    assert not [a for a in page.attrs if a[1] in LOADS or a[1].startswith("on")]
    assert all(v.startswith("#") for _, name, v in page.attrs if name == "href")
    assert "http:" not in html
    assert "https:" not in html
    assert not re.search(r"url\(|@import|@font-face", html)


@every_case
def test_ids_are_unique_and_every_reference_leads_somewhere(build):
    page = Page(exit_proof_html(build()))
    ids = [v for _, name, v in page.attrs if name == "id"]
    assert len(ids) == len(set(ids))
    refs = [v for _, n, v in page.attrs if n in {"aria-labelledby", "aria-describedby"}]
    targets = " ".join(refs).split() + [v[1:] for _, n, v in page.attrs if n == "href"]
    assert set(targets) <= set(ids)


def test_the_page_can_be_read_by_ear_and_on_any_screen():
    html = exit_proof_html(s.proven())
    page = Page(html)
    assert ("html", "lang", "en") in page.attrs
    assert {"header", "main", "footer", "h1"} <= set(page.tags)
    assert page.tags.count("h1") == 1
    headers = page.tags.count("th")
    assert headers == len([1 for tag, name, _ in page.attrs if (tag, name) == ("th", "scope")])
    assert page.tags.count("svg") == page.tags.count("desc") == 3
    assert page.tags.count("title") == 4
    for rule in ("prefers-color-scheme: dark", "@media print", "overflow-x: auto", "system-ui"):
        assert rule in html


def test_the_verdict_comes_before_everything_else():
    words = Page(exit_proof_html(s.proven())).words
    order = ["✓ PROVEN", "2 exits filled", "Rounds", "Round by round", "Evidence", "How to verify"]
    places = [words.index(w) for w in order]
    assert places == sorted(places)


SAYS = {
    "proven": (
        s.proven,
        ["PROVEN", "633416228", "8206037964", "REJECTED_EXPECTED", "no_position", "8944.5"],
    ),
    "a silent gate": (
        s.governor_silent,
        ["NOT PROVEN", "No decision from governor", "permit_missing:governor", "not reached"],
    ),
    "a lost result": (
        lambda: s.payload(s.lost_round()),
        ["NOT PROVEN", "No result arrived.", "The exchange knows no order of this plan."],
    ),
    "disagreement": (
        lambda: s.payload(s.disagreeing_round(), asked=4, resumed=False),
        ["NOT PROVEN", "differs", "5000", "8944", "1 of 4", "still paused at the end"],
    ),
    "a short": (
        lambda: s.payload(s.short_round()),
        ["BUY", "-120 before, -60 after", "0.4 USDT, 0.0007 BNB", "121.4"],
    ),
}


@pytest.mark.parametrize(("build", "words"), SAYS.values(), ids=SAYS)
def test_both_reports_say_the_same(build, words):
    page = Page(exit_proof_html(build())).words
    text = exit_proof_markdown(build())
    assert [w for w in words if w not in page] == []
    assert [w for w in words if w not in text] == []


def test_agreement_is_not_marked_as_a_difference():
    assert "differs" not in Page(exit_proof_html(s.proven())).words
    assert "differs" not in exit_proof_markdown(s.proven())


@every_case
def test_a_saved_payload_gives_the_same_reports(build):
    saved = json.loads(json.dumps(build(), default=str))
    assert exit_proof_html(saved) == exit_proof_html(build())
    assert exit_proof_markdown(saved) == exit_proof_markdown(build())


def paths(value, at=()):
    """The place of each key that a complete payload must have."""
    free = {"plan", "details", "terms", "fees", "services", "timeline_ms"}
    if isinstance(value, dict):
        for name, item in value.items():
            yield (*at, name)
            if name not in free:
                yield from paths(item, (*at, name))
    if isinstance(value, list) and value:
        yield from paths(value[0], (*at, 0))


# What the reports leave to the JSON files.
UNUSED = {"proof", "decided_at", "terms"}
PATHS = [p for p in paths(s.proven()) if p[-1] not in UNUSED and p[-2:] != ("result", "executed")]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: ".".join(map(str, p)))
@pytest.mark.parametrize("render", [exit_proof_html, exit_proof_markdown])
def test_a_missing_key_is_a_fault_not_a_blank(path, render):
    payload = copy.deepcopy(s.proven())
    holder = payload
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    with pytest.raises(DecodeError, match=re.escape(path[-1])):
        render(payload)


def test_foreign_text_is_only_text_in_the_page():
    html = exit_proof_html(hostile_payload())
    page = Page(html)
    assert "script" not in page.tags
    assert "<script" not in html
    assert "\u202e" not in html
    assert r"\u202e" in page.words
    assert "{{ 7*7 }}" in page.words


def table_shapes(text):
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    rows, width = [], 0
    for token in tokens:
        if token.type == "table_open":
            rows.append([])
        elif token.type == "tr_open":
            width = 0
        elif token.type in {"td_open", "th_open"}:
            width += 1
        elif token.type == "tr_close":
            rows[-1].append(width)
    return rows


@pytest.mark.parametrize("build", [*MIXED.values(), hostile_payload], ids=[*MIXED, "hostile"])
def test_markdown_tables_keep_their_columns(build):
    text = exit_proof_markdown(build())
    lines = [line for line in text.splitlines() if line.startswith("|")]
    tables = table_shapes(text)
    assert all(len(set(shape)) == 1 for shape in tables)
    # The header and the rows are counted by the parser, the rule between them is not.
    assert sum(map(len, tables)) == len(lines) - len(tables)
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1


def test_foreign_text_is_only_text_in_markdown():
    text = exit_proof_markdown(hostile_payload())
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inner = [t for token in tokens for t in token.children or ()]
    assert {t.type for t in [*tokens, *inner]}.isdisjoint(
        {"html_block", "html_inline", "link_open", "image", "code_block", "hr"}
    )
    # Only our own headings: the title, two a section, and four a round.
    assert sum(t.type == "heading_open" for t in tokens) == 1 + 3 + 3 * 4
    assert sum(t.type == "fence" for t in tokens) == 3 + 1 + 3


foreign = st.text(
    st.one_of(st.sampled_from("_*`|\\<>&[]()!#~:/@ w.\n\u202e"), st.characters()), max_size=40
)


def shown(source):
    """What a reader sees in a table's cell."""
    tokens = MarkdownIt("commonmark").enable("table").parse(f"| a |\n|---|\n| x{source}x |\n")
    cell = [t for t in tokens if t.type == "inline"][1]
    assert {t.type for t in cell.children} <= {"text", "code_inline", "text_special"}
    return "".join(t.content for t in cell.children)


@settings(deadline=None)
@given(foreign)
def test_a_cell_shows_exactly_the_text(text):
    assert shown(markdown.inline(text)) == f"x{markdown.visible(text)}x"


@settings(deadline=None)
@given(foreign.filter(bool))
def test_a_code_cell_shows_exactly_the_text(text):
    assert shown(markdown.code(text)) == f"x{markdown.visible(text)}x"
