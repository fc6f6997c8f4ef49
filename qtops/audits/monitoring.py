"""Whether Prometheus, Grafana and the exporters do what operators believe they do. Reads only.

The founding report called Prometheus dead because nothing answered on 9090; it ran on 9091. So it
is looked for where it says it listens, and an open port is nobody until its API has answered.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.errors import HostError

EXPORT: Final = "qtops observe export --dest /etc/prometheus"
BUILD_INFO: Final = "/api/v1/status/buildinfo"
NAMES: Final = "/api/v1/label/__name__/values"


@dataclass(frozen=True, slots=True)
class Place:
    """Where Prometheus may be, and what says so."""

    url: str
    why: str


class Monitors(Protocol):
    """What the checks ask of this machine."""

    async def places(self) -> Sequence[tuple[str, str]]:
        """Where Prometheus may listen, the likeliest first: a URL, and what says so."""
        ...

    async def json(self, url: str, token: str = "") -> Any:
        """The JSON at the URL. HostError, saying why, when there is none."""
        ...

    async def text(self, url: str) -> str:
        """The text at the URL. HostError, saying why, when there is none."""
        ...

    async def unit_states(self, units: Sequence[str]) -> Mapping[str, str]:
        """ActiveState of those units that systemd knows. HostError when systemd cannot say."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should be: our services' `host:port` by name, our alerts, a URL that was set."""

    services: Mapping[str, str]
    alerts: frozenset[str]
    prometheus_url: str = ""


class Finder:
    """Looks for Prometheus once; every check that needs it waits for the same answer."""

    def __init__(self, monitors: Monitors, wanted: Wanted) -> None:
        self._monitors = monitors
        self._wanted = wanted
        self._search: asyncio.Task[tuple[Place | None, list[str]]] | None = None

    async def found(self) -> tuple[Place | None, list[str]]:
        """Where it is, and what was looked at in vain."""
        if self._search is None:
            self._search = asyncio.create_task(self._look())
        return await asyncio.shield(self._search)

    async def _look(self) -> tuple[Place | None, list[str]]:
        url = self._wanted.prometheus_url.rstrip("/")
        places = [Place(url, "as it is set")] if url else []
        places += [Place(*one) for one in await self._monitors.places() if one[0] != url]
        vain = []
        for place in places:
            try:
                await self.ask(place, BUILD_INFO)
            except HostError as error:
                vain.append(f"{place.url} ({place.why}): {error.message}")
            else:
                return place, vain
        return None, vain

    async def ask(self, place: Place, path: str) -> Any:
        """The data that Prometheus' API answers with. HostError when it is another's API."""
        answer = await self._monitors.json(f"{place.url}{path}")
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise HostError("it answers, and is no Prometheus")
        return answer.get("data")

    async def data(self, path: str) -> Any:
        """The same, from where it was found. HostError when it was found nowhere."""
        place, _ = await self.found()
        if place is None:
            raise HostError("no Prometheus was found")
        return await self.ask(place, path)

    # --- checks -----------------------------------------------------------------------------------

    async def judge_found(self) -> list[CheckResult]:
        """That there is one, and that it is where the settings say."""
        place, vain = await self.found()
        name, evidence = "prometheus.found", tuple(vain)
        if place is None:
            fix = "systemctl status prometheus; qtops observe check --prometheus URL"
            title = "Prometheus answers nowhere"
            return [_bad(name, "-", Severity.P1, title, evidence=evidence, fix=fix)]
        url = self._wanted.prometheus_url.rstrip("/")
        if url and place.url != url:
            title = f"Prometheus is not at {url}, it listens at {place.url} ({place.why})"
            fix = f"set QTOPS_PROMETHEUS_URL={place.url}"
            return [_warn(name, place.url, Severity.P2, title, evidence=evidence, fix=fix)]
        version = (await self.data(BUILD_INFO)).get("version", "of an unknown version")
        title = f"Prometheus {version} ({place.why})"
        return [CheckResult(name, place.url, Verdict.PASS, Severity.P1, title, evidence=evidence)]

    async def judge_config(self) -> list[CheckResult]:
        """That the configuration on the disk is the one in force."""
        info = await self.data("/api/v1/status/runtimeinfo")
        name = "prometheus.config"
        if info.get("reloadConfigSuccess") is not True:
            fix = "promtool check config /etc/prometheus/prometheus.yml"
            title = "the last reload of the configuration failed, an older one is in force"
            return [_bad(name, "-", Severity.P1, title, fix=fix)]
        kept = str(info.get("storageRetention", "unknown"))
        return [_pass(name, "-", f"configuration in force, samples are kept for {kept}")]

    async def judge_targets(self) -> list[CheckResult]:
        """Every target that is not up, and every service of ours that is no target."""
        active = (await self.data("/api/v1/targets?state=active"))["activeTargets"]
        results = [_target(target) for target in active]
        scraped = {str(target.get("labels", {}).get("instance", "")) for target in active}
        name = "prometheus.scrapes"
        for service, address in self._wanted.services.items():
            if _port(address) in {_port(one) for one in scraped}:
                results.append(_pass(name, service, f"{address} is scraped"))
            else:
                title = f"nobody scrapes {service} at {address}"
                results.append(_bad(name, service, Severity.P1, title, fix=EXPORT))
        return results

    async def judge_rules(self) -> list[CheckResult]:
        """Rules that fail, and ours that are not loaded."""
        groups = (await self.data("/api/v1/rules"))["groups"]
        rules = [rule for group in groups for rule in group.get("rules", ())]
        name = "prometheus.rules"
        results = [
            _bad(name, str(r.get("name")), Severity.P1, f"the rule fails: {r.get('lastError')}")
            for r in rules
            if r.get("health") == "err"
        ]
        loaded = {str(rule.get("name")) for rule in rules if rule.get("type") == "alerting"}
        if missing := sorted(self._wanted.alerts - loaded):
            title = f"{len(missing)} of our {len(self._wanted.alerts)} alerts are not loaded"
            evidence = (", ".join(missing),)
            results.append(_bad(name, "-", Severity.P1, title, evidence=evidence, fix=EXPORT))
        return results or [_pass(name, "-", f"{len(rules)} rules, ours among them")]

    async def judge_alerts(self) -> list[CheckResult]:
        """What fires now: it is no fault of the monitoring, and operators should know."""
        alerts = (await self.data("/api/v1/alerts"))["alerts"]
        firing = [alert for alert in alerts if alert.get("state") == "firing"]
        name = "prometheus.alerts"
        return [_firing(name, alert) for alert in firing] or [_pass(name, "-", "no alert fires")]

    async def judge_alertmanagers(self) -> list[CheckResult]:
        """Without one an alert reaches nobody."""
        managers = (await self.data("/api/v1/alertmanagers"))["activeAlertmanagers"]
        name = "prometheus.alertmanager"
        if not managers:
            title = "no Alertmanager: alerts fire and reach nobody"
            fix = "add alerting.alertmanagers to prometheus.yml"
            return [_warn(name, "-", Severity.P2, title, fix=fix)]
        return [_pass(name, str(one.get("url")), "takes the alerts") for one in managers]


def _target(target: Mapping[str, Any]) -> CheckResult:
    labels = target.get("labels", {})
    subject = f"{labels.get('job', '?')} {labels.get('service') or labels.get('instance', '?')}"
    name, url = "prometheus.targets", str(target.get("scrapeUrl", ""))
    if target.get("health") == "up":
        return _pass(name, subject, f"{url} is up")
    if target.get("health") == "unknown":
        title = f"{url} was not scraped yet"
        return CheckResult(name, subject, Verdict.UNKNOWN, Severity.P2, title)
    title = f"{url} is down: {target.get('lastError') or 'no reason given'}"
    return _bad(name, subject, Severity.P1, title, fix=f"curl -sS {url} | head")


def _firing(name: str, alert: Mapping[str, Any]) -> CheckResult:
    labels, notes = alert.get("labels", {}), alert.get("annotations", {})
    title = f"{labels.get('alertname', '?')} fires: {notes.get('summary', 'no summary')}"
    subject = str(labels.get("service") or labels.get("instance") or "-")
    return _warn(name, subject, Severity.P3, title, fix=str(notes.get("fix", "")))


def _port(address: str) -> str:
    return address.rpartition(":")[2]


async def judge_grafana(monitors: Monitors, url: str) -> list[CheckResult]:
    """Its own health, database included; a redirect or a login page proves nothing."""
    name = "grafana.health"
    fix = "systemctl status grafana-server; journalctl -u grafana-server -n 50"
    try:
        health = await monitors.json(f"{url}/api/health")
    except HostError as error:
        return [_bad(name, url, Severity.P2, f"Grafana: {error.message}", fix=fix)]
    if not isinstance(health, dict) or health.get("database") != "ok":
        title = "Grafana answers, and its database is not ok"
        return [_bad(name, url, Severity.P1, title, actual=str(health)[:200], fix=fix)]
    return [_pass(name, url, f"Grafana {health.get('version', '')}, database ok")]


async def judge_datasources(
    monitors: Monitors, url: str, token: str, finder: Finder
) -> list[CheckResult]:
    """That a Prometheus datasource points at the Prometheus that runs. No password is tried."""
    name = "grafana.datasources"
    if not token:
        title = "datasources cannot be seen without a token"
        fix = "set QTOPS_GRAFANA_TOKEN to the token of a service account (role Admin, to read them)"
        return [CheckResult(name, url, Verdict.UNKNOWN, Severity.P2, title, fix=fix)]
    sources = await monitors.json(f"{url}/api/datasources", token)
    rows = [s for s in sources if isinstance(s, dict) and s.get("type") == "prometheus"]
    if not rows:
        title = "Grafana has no Prometheus datasource"
        return [_bad(name, url, Severity.P1, title, fix=f"open {url}/connections/datasources/new")]
    place, _ = await finder.found()
    return [_source(name, row, url, place) for row in rows]


def _source(name: str, row: Mapping[str, Any], grafana: str, place: Place | None) -> CheckResult:
    subject, at = str(row.get("name", "?")), str(row.get("url", ""))
    if place is None:
        title = f"it points at {at}, and no Prometheus was found to compare with"
        return CheckResult(name, subject, Verdict.UNKNOWN, Severity.P2, title)
    if _port(at.rstrip("/")) == _port(place.url):
        return _pass(name, subject, f"it points at {at}, where Prometheus listens")
    title = f"it points at {at}, Prometheus listens at {place.url}"
    fix = f"open {grafana}/connections/datasources/edit/{row.get('uid', '')}"
    return _warn(name, subject, Severity.P1, title, fix=fix)


async def judge_exporter(
    monitors: Monitors, name: str, url: str, needed: Mapping[str, str]
) -> list[CheckResult]:
    """That it answers with what it is there for; `needed`: each sample and what it must be."""
    check = f"{name}.metrics"
    try:
        text = await monitors.text(f"{url}/metrics")
    except HostError as error:
        fix = f"systemctl status prometheus-{name.replace('_', '-')} {name}"
        return [_bad(check, url, Severity.P2, f"{name}: {error.message}", fix=fix)]
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if _is_sample(line))
    results = []
    for sample, must in needed.items():
        seen = values.get(sample)
        if seen is None or (must and seen != must):
            title = f"{sample} is {seen or 'absent'}"
            fix = f"curl -sS {url}/metrics | grep ^{sample}"
            results.append(_bad(check, url, Severity.P2, title, expected=must, fix=fix))
    return results or [_pass(check, url, f"answers with {len(values)} samples")]


def _is_sample(line: str) -> bool:
    return " " in line and not line.startswith("#")


async def judge_units(monitors: Monitors, wanted: Mapping[str, Sequence[str]]) -> list[CheckResult]:
    """Each program's unit, under whichever of its names systemd knows it."""
    states = await monitors.unit_states([unit for units in wanted.values() for unit in units])
    return [_unit(program, units, states) for program, units in wanted.items()]


def _unit(program: str, units: Sequence[str], states: Mapping[str, str]) -> CheckResult:
    name = "units.active"
    known = next((unit for unit in units if unit in states), "")
    if not known:
        title = f"systemd has no unit for {program}"
        return _warn(name, program, Severity.P3, title, expected=" or ".join(units))
    if states[known] == "active":
        return _pass(name, known, "active")
    fix = f"systemctl status {known}; journalctl -u {known} -n 50"
    return _bad(name, known, Severity.P1, f"{known} is {states[known]}", fix=fix)


def _result(verdict: Verdict) -> Callable[..., CheckResult]:
    """Results of that verdict, in one order of arguments."""
    return lambda check, subject, severity, title, **more: CheckResult(
        check, subject, verdict, severity, title, **more
    )


_bad: Final = _result(Verdict.FAIL)
_warn: Final = _result(Verdict.WARN)


def _pass(check: str, subject: str, title: str) -> CheckResult:
    return CheckResult(check, subject, Verdict.PASS, Severity.P2, title)
