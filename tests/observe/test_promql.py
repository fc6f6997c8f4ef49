"""Which metrics an expression reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.observe.alerts import alerts
from qtops.observe.boards import BOARDS
from qtops.observe.promql import metric_names

TABLE = [
    ("up", {"up"}),
    ('up{job="node", instance=~"a|b"} == 0', {"up"}),
    ("rate(a_total[5m]) / rate(b_total[5m:1m] offset 1h)", {"a_total", "b_total"}),
    ("sum by (job, x) (rate(a[5m]))", {"a"}),
    ("sum(rate(a[5m])) by (job)", {"a"}),
    ("avg without(x) (a) > bool 3", {"a"}),
    ("a / on(x, y) group_left(z) b", {"a", "b"}),
    ("a and ignoring (x) b or c unless d", {"a", "b", "c", "d"}),
    ("histogram_quantile(0.99, sum by (le) (rate(h_bucket[5m])))", {"h_bucket"}),
    ('label_replace(a, "dst", "$1", "src", "not_a_metric")', {"a"}),
    ("job:a:rate5m > 1e3", {"job:a:rate5m"}),
    ("time() - a > 5m", {"a"}),
    ("a > 0x1F and a < Inf", {"a"}),
    ('{__name__="a", job="b"}', {"a"}),
    ('{job="b"}', set()),
    ("$metric + ${metric}_total + [[metric]]_x + a", {"a"}),
    ("rate(a[$__rate_interval])", {"a"}),
    ("a # b is a comment\n + c", {"a", "c"}),
    ("count(a) + topk(3, b)", {"a", "b"}),
    ("a{x='}'} + b", {"a", "b"}),
    ("a @ 1609746000 + a offset -5m", {"a"}),
    ("", set()),
]
UNFINISHED = [("sum(a", {"a"}), ("a{", {"a"}), ("a{x='", {"a"}), ("sum by (a", set())]


@pytest.mark.parametrize(("expression", "names"), TABLE + UNFINISHED)
def test_the_metrics_of_an_expression(expression, names):
    assert metric_names(expression) == names


NAMES = st.from_regex(r"qtops_[a-z]{1,8}_total", fullmatch=True)


@given(NAMES, st.sampled_from([expression for expression, names in TABLE if names]))
def test_what_stands_around_a_metric_hides_it_never(name, expression):
    assert metric_names(f"({expression}) + {name}") == metric_names(expression) | {name}


@given(st.text())
def test_any_text_has_an_answer(text):
    metric_names(text)


def test_our_own_expressions_all_read_something():
    expressions = [row.expr for row in alerts(10)]
    expressions += [q for board in BOARDS for panel in board.panels for q, _ in panel.queries]
    assert all(metric_names(expression) for expression in expressions)
