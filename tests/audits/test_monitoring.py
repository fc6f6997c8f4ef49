"""What is said of answers that a test cannot have for real: Grafana, exporters, units."""

import pytest

from qtops.audits.monitoring import (
    BUILD_INFO,
    Finder,
    Place,
    Wanted,
    judge_datasources,
    judge_exporter,
    judge_grafana,
    judge_units,
)
from qtops.contracts.check import Severity, Verdict
from qtops.errors import HostError

HERE, ELSEWHERE = "http://127.0.0.1:9090", "http://127.0.0.1:9091"
GRAFANA = "http://127.0.0.1:3000"


class Recorded:
    """Answers by URL; whatever is not there refuses. `asked` is what was asked with a token."""

    def __init__(self, answers=None, places=(), units=None):
        self._answers = answers or {}
        self._places = places
        self._units = units
        self.asked = []

    async def places(self):
        return self._places

    async def json(self, url, token=""):
        if token:
            self.asked.append((url, token))
        return await self.text(url)

    async def text(self, url):
        if url not in self._answers:
            raise HostError("nothing listens there")
        return self._answers[url]

    async def unit_states(self, units):
        if self._units is None:
            raise HostError("this machine does not run systemd")
        return {unit: state for unit, state in self._units.items() if unit in units}


def prometheus(at, **paths):
    answers = {BUILD_INFO: {"version": "2.42.0"}} | paths
    return {f"{at}{path}": {"status": "success", "data": data} for path, data in answers.items()}


def finder(answers, places=((HERE, "usual port"), (ELSEWHERE, "usual port")), **wanted):
    wanted = {"services": {}, "alerts": frozenset()} | wanted
    return Finder(Recorded(answers, places), Wanted(**wanted))


async def test_an_open_port_is_nobody_until_its_api_has_answered():
    answers = {f"{HERE}{BUILD_INFO}": {"status": "ok"}} | prometheus(ELSEWHERE)
    found, vain = await finder(answers).found()
    assert found == Place(ELSEWHERE, "usual port")
    assert vain == [f"{HERE} (usual port): it answers, and is no Prometheus"]


async def test_nowhere_is_a_fault_that_says_where_was_looked():
    [result] = await finder({}).judge_found()
    assert (result.verdict, result.severity) == (Verdict.FAIL, Severity.P1)
    assert [line.split()[0] for line in result.evidence] == [HERE, ELSEWHERE]


async def test_the_url_that_is_set_comes_first():
    both = prometheus(HERE) | prometheus(ELSEWHERE)
    place, vain = await finder(both, prometheus_url=f"{ELSEWHERE}/").found()
    assert (place.url, vain) == (ELSEWHERE, [])


async def test_without_a_prometheus_nothing_is_said_of_its_targets():
    with pytest.raises(HostError, match="no Prometheus was found"):
        await finder({}).judge_targets()


async def test_a_configuration_that_was_refused_is_a_fault():
    path = "/api/v1/status/runtimeinfo"
    for is_good, verdict in ((True, Verdict.PASS), (False, Verdict.FAIL), (None, Verdict.FAIL)):
        data = {"reloadConfigSuccess": is_good, "storageRetention": "15d"}
        [result] = await finder(prometheus(HERE, **{path: data})).judge_config()
        assert result.verdict is verdict


async def test_a_service_that_nobody_scrapes_is_named():
    path = "/api/v1/targets?state=active"
    target = {"labels": {"instance": "127.0.0.1:8044"}, "health": "unknown", "scrapeUrl": "x"}
    services = {"governor": "127.0.0.1:8044", "executor": "127.0.0.1:8050"}
    answers = prometheus(HERE, **{path: {"activeTargets": [target]}})
    results = await finder(answers, services=services).judge_targets()
    assert [(r.subject, r.verdict.value) for r in results] == [
        ("? 127.0.0.1:8044", "unknown"),
        ("governor", "pass"),
        ("executor", "fail"),
    ]


async def test_rules_that_fail_and_alerts_that_are_not_loaded():
    rule = {"name": "a", "type": "alerting", "health": "err", "lastError": "many-to-many"}
    answers = prometheus(HERE, **{"/api/v1/rules": {"groups": [{"rules": [rule]}]}})
    results = await finder(answers, alerts=frozenset({"a", "b"})).judge_rules()
    assert "many-to-many" in results[0].title
    assert results[1].title == "1 of our 2 alerts are not loaded"
    assert results[1].evidence == ("b",)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ({"database": "ok", "version": "10.1"}, Verdict.PASS),
        ({"database": "failing"}, Verdict.FAIL),
        (["ok"], Verdict.FAIL),
        (None, Verdict.FAIL),
    ],
)
async def test_grafana_is_judged_by_its_health(answer, verdict):
    answers = {} if answer is None else {f"{GRAFANA}/api/health": answer}
    [result] = await judge_grafana(Recorded(answers), GRAFANA)
    assert result.verdict is verdict


@pytest.mark.parametrize(
    ("sources", "verdict"),
    [
        ([], Verdict.FAIL),
        ([{"type": "loki", "name": "l", "url": HERE}], Verdict.FAIL),
        ([{"type": "prometheus", "name": "p", "url": "http://localhost:9091/"}], Verdict.PASS),
        ([{"type": "prometheus", "name": "p", "uid": "u", "url": HERE}], Verdict.WARN),
    ],
)
async def test_a_datasource_has_to_point_where_prometheus_listens(sources, verdict):
    source = Recorded({f"{GRAFANA}/api/datasources": sources})
    [result] = await judge_datasources(source, GRAFANA, "token", finder(prometheus(ELSEWHERE)))
    assert result.verdict is verdict
    assert source.asked == [(f"{GRAFANA}/api/datasources", "token")]


async def test_without_a_token_nobody_asks_for_datasources():
    source = Recorded({f"{GRAFANA}/api/datasources": []})
    [result] = await judge_datasources(source, GRAFANA, "", finder({}))
    assert (result.verdict, source.asked) == (Verdict.UNKNOWN, [])


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("# HELP redis_up x\nredis_up 1\n", ["answers with 1 samples"]),
        ("redis_up 0\n", ["redis_up is 0"]),
        ("redis_uptime 1\n", ["redis_up is absent"]),
        (None, ["redis_exporter: nothing listens there"]),
    ],
)
async def test_an_exporter_has_to_show_what_it_is_there_for(text, titles):
    answers = {} if text is None else {"http://r/metrics": text}
    needed = {"redis_up": "1"}
    results = await judge_exporter(Recorded(answers), "redis_exporter", "http://r", needed)
    assert [result.title for result in results] == titles
    assert (results[0].verdict is Verdict.PASS) == (titles[0].startswith("answers"))


async def test_units_under_either_of_their_names():
    units = {"prometheus": "failed", "node_exporter": "active"}
    wanted = {
        "Prometheus": ("prometheus",),
        "node_exporter": ("prometheus-node-exporter", "node_exporter"),
        "Grafana": ("grafana-server",),
    }
    results = await judge_units(Recorded(units=units), wanted)
    assert [(r.subject, r.verdict.value) for r in results] == [
        ("prometheus", "fail"),
        ("node_exporter", "pass"),
        ("Grafana", "warn"),
    ]
