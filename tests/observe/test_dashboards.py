"""Dashboards of others: what is said of them, and what is mended."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qtops.contracts.check import Verdict
from qtops.observe.boards import BOARDS, dashboard
from qtops.observe.document import read_document
from qtops.observe.lint import lint
from qtops.observe.mend import mend

SOURCE = {"type": "prometheus", "uid": "prom"}


def panel(expr="up", source=SOURCE, **more):
    target = {"refId": "A", "expr": expr}
    return {"id": 1, "type": "timeseries", "title": "P", "datasource": source} | {
        "targets": [target],
        **more,
    }


def board(*panels, **more):
    return {
        "uid": "board",
        "id": None,
        "title": "Board",
        "schemaVersion": 38,
        "panels": list(panels) or [panel()],
        **more,
    }


def document(content, name="a.json"):
    text = content if isinstance(content, str) else json.dumps(content, indent=2) + "\n"
    return read_document(name, text)


def faults(*documents, live=None):
    found = lint(documents, live)
    return [
        (r.check.removeprefix("dashboards."), r.title) for r in found if r.verdict.value != "pass"
    ]


def without(key):
    return {k: v for k, v in board().items() if k != key}


UNRESOLVED = {"type": "prometheus", "uid": "${DS_PROM}"}
RESOLVED = {"type": "prometheus", "uid": "${ds}"}
TABLE = [
    (board(), None, ""),
    (board(panel(source=RESOLVED), templating={"list": [{"name": "ds"}]}), None, ""),
    (board(panel(source={"uid": "-- Mixed --"})), None, ""),
    (board({"type": "text", "title": "words"}), None, ""),
    ("{", "readable", "no JSON"),
    ('{"uid": "a", "uid": "b", "panels": []}', "readable", "stands twice"),
    ("[]", "readable", "one JSON object"),
    ({"a": 1}, "readable", "no list of panels"),
    ({"dashboard": board()}, "unwrapped", "wrapped"),
    ({"dashboard": board(), "meta": {}}, "unwrapped", "wrapped"),
    (without("uid"), "uid", "no uid"),
    (board(uid=7), "uid", "no uid"),
    (board(uid="a b"), "uid", "40 letters"),
    (board(uid="a" * 41), "uid", "40 letters"),
    (board(id=7), "id", "not null"),
    (without("title"), "head", "no title"),
    (without("schemaVersion"), "head", "no schemaVersion"),
    (board(panel(source=None)), "datasource", "no datasource"),
    (board(panel(source="Prometheus")), "datasource", "is a name"),
    (board(panel(source="${DS_PROM}")), "datasource", "does not resolve"),
    (board(panel(source=UNRESOLVED)), "datasource", "does not resolve"),
    (board(panel(source={"type": "prometheus", "uid": ""})), "datasource", "without a uid"),
    (board(panel(targets=[])), "queries", "asks nothing"),
    (board(panel("quantum_global_kill_switch")), "metrics", "nobody exports quantum_global"),
    (board({"type": "row", "panels": [panel("p26_nothing")]}), "metrics", "p26_nothing"),
    ({**without("panels"), "rows": [{"panels": [panel("p26_nothing")]}]}, "metrics", "p26_nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "check", "words"), TABLE)
def test_what_is_wrong_with_one_dashboard(content, check, words):
    found = faults(document(content))
    if check is None:
        assert found == []
    else:
        assert [name for name, _ in found] == [check]
        assert words in found[0][1]


def test_a_metric_of_others_is_judged_only_where_there_is_a_prometheus_to_ask():
    one = document(board(panel("node_load1 + node_gone")))
    assert faults(one) == []
    assert faults(one, live={"node_load1"}) == [("metrics", "panel 'P': nobody exports node_gone")]


def test_a_shared_uid_is_said_of_both_and_the_fix_names_both():
    pair = [document(board(), name) for name in ("a b.json", "c.json")]
    found = lint(pair)
    assert [(r.check, r.subject) for r in found] == [
        ("dashboards.uid", "a b.json"),
        ("dashboards.uid", "c.json"),
    ]
    assert found[0].fix == "qtops observe dashboards fix 'a b.json' c.json --dry-run"


def test_our_own_dashboards_have_no_fault_and_nothing_to_mend():
    ours = [document(dashboard(one), f"{one.uid}.json") for one in BOARDS]
    assert {result.verdict for result in lint(ours)} == {Verdict.PASS}
    assert mend(ours) == {}


def mended(*documents, source=""):
    texts = {one.name: one.text for one in documents} | mend(documents, source)
    return [read_document(name, text) for name, text in texts.items()]


@pytest.mark.parametrize(
    "content", [row[0] for row in TABLE if row[1] in {"unwrapped", "uid", "id", "datasource"}]
)
@pytest.mark.parametrize("source", ["", "prom-uid"])
def test_what_can_be_mended_has_no_fault_afterwards_and_stays_as_it_is(content, source):
    [after] = mended(document(content), source=source)
    assert faults(after) == []
    assert mend([after], source) == {}


def test_shared_uids_become_distinct_and_the_first_keeps_its_own():
    trio = [document(board(), name) for name in ("x/a.json", "x/b.json", "y/b.json")]
    uids = [one.dashboard["uid"] for one in mended(*trio)]
    assert uids[0] == "board"
    assert len(set(uids)) == 3
    assert uids == [one.dashboard["uid"] for one in mended(*trio)]


def test_a_fresh_uid_is_never_one_that_another_file_has():
    first = mended(document(board()), document(board(), "b.json"))[1].dashboard["uid"]
    trio = [document(board()), document(board(), "b.json"), document(board(uid=first), "c.json")]
    assert len({one.dashboard["uid"] for one in mended(*trio)}) == 3


def test_what_is_not_understood_is_kept():
    loki = {"type": "logs", "title": "L", "datasource": "Loki", "targets": [{"query": "x"}]}
    content = {"dashboard": board(loki, panel(), other={"a": [1, 2.5, "ü"]}), "meta": {"slug": "x"}}
    [after] = mended(document(content))
    assert after.content == content["dashboard"]
    strange = document({"dashboard": board(), "spec": 1})
    assert strange.fault
    assert mend([strange]) == {}


@pytest.mark.parametrize(
    ("expr", "source"),
    [
        ('count_over_time({job="x"} | json [5m])', None),
        ('rate({job="x"}[5m])', None),
        ("p26_nothing", "Loki"),
        ("p26_nothing", {"type": "loki", "uid": ""}),
        ("p26_nothing", "${DS_LOGS}"),
    ],
)
def test_a_query_that_is_no_promql_is_neither_judged_nor_given_a_prometheus(expr, source):
    one = document(board(panel(expr, source), __inputs=[{"name": "DS_LOGS", "pluginId": "loki"}]))
    assert [name for name, _ in faults(one, live=set()) if name == "metrics"] == []
    assert mend([one]) == {}
    assert all("fix" not in result.fix for result in lint([one]))


def test_the_panel_is_given_the_datasource_and_a_query_only_where_it_stands_alone():
    loki = {"expr": "x", "datasource": {"type": "loki", "uid": "l"}}
    mixed = panel(source=None, targets=[{"expr": "up"}, loki])
    [after] = mended(document(board(panel(source=None), mixed)), source="prom")
    whole, part = after.dashboard["panels"]
    assert whole == panel()
    assert part == panel(source=None, targets=[{"expr": "up", "datasource": SOURCE}, loki])


def test_an_import_placeholder_says_what_it_stands_for():
    one = board(panel(source="${DS_X}"), __inputs=[{"name": "DS_X", "pluginId": "prometheus"}])
    [after] = mended(document(one), source="prom")
    assert after.dashboard["panels"][0]["datasource"] == {"type": "prometheus", "uid": "prom"}


def test_the_file_keeps_its_indent_its_escapes_and_its_end():
    text = json.dumps(board(id=7, title="ü"), indent="\t", ensure_ascii=False)
    [after] = mend([document(text)]).values()
    assert after == text.replace('"id": 7,', '"id": null,')
    small = json.dumps(board(id=7), separators=(",", ":"))
    assert mend([document(small)])["a.json"] == small.replace('"id":7,', '"id":null,')


SCALARS = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "${x}", "up"])
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["uid", "type", "expr", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def some(**fields):
    """Objects with these keys, each of which may also hold anything."""
    return st.fixed_dictionaries({}, optional={k: v | ANYTHING for k, v in fields.items()})


TARGETS = some(expr=st.just("up"), datasource=ANYTHING)
PANELS = some(type=SCALARS, title=SCALARS, datasource=ANYTHING, targets=st.lists(TARGETS))
DASHBOARDS = some(
    uid=SCALARS,
    id=SCALARS,
    title=SCALARS,
    schemaVersion=SCALARS,
    templating=some(list=st.lists(some(name=SCALARS, type=SCALARS, query=SCALARS))),
    panels=st.lists(PANELS | some(panels=st.lists(PANELS)), max_size=3),
    dashboard=ANYTHING,
)


@given(st.lists(DASHBOARDS, min_size=1, max_size=3))
@settings(max_examples=200)
def test_whatever_is_in_a_file_it_is_judged_and_mending_it_twice_is_mending_it_once(contents):
    documents = [document(content, f"{n}.json") for n, content in enumerate(contents)]
    assert {result.subject for result in lint(documents)} == {one.name for one in documents}
    once = mended(*documents)
    assert mend(once) == {}
    promised = {r.check for r in lint(once) if r.fix}
    assert promised == set()
