"""Who listens where, and who should. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.contracts.registry import Service
from qtops.contracts.system_reading import Listener

EXPOSED: Final = "ports.exposed"
SHARED: Final = "ports.shared"
EXPECTED: Final = "ports.expected"
OWNERS: Final = "ports.owners"
# The original's services answer here without asking who calls; one of them closes positions.
UNGUARDED: Final = range(8000, 8100)
REDIS_PORT: Final = 6379


def judge_ports(
    sockets: Sequence[Listener], ours: Mapping[int, str], alive: Collection[str]
) -> list[CheckResult]:
    """`ours`: port → the service whose metrics it serves; `alive`: services that beat."""
    by_port: dict[int, list[Listener]] = defaultdict(list)
    for socket in sockets:
        by_port[socket.port].append(socket)
    found = [
        *_exposed(by_port, ours),
        *_shared(by_port),
        *_expected(by_port, ours, alive),
        *_owners(sockets),
    ]
    if not any(result.check == EXPOSED for result in found):
        text = "no control, metrics or Redis port is open to other machines"
        found.append(CheckResult(EXPOSED, "all ports", Verdict.PASS, Severity.P1, text))
    if not any(result.check == SHARED for result in found):
        text = "no port has two owners"
        found.append(CheckResult(SHARED, "all ports", Verdict.PASS, Severity.P2, text))
    return found


def _exposed(
    by_port: Mapping[int, Sequence[Listener]], ours: Mapping[int, str]
) -> Iterator[CheckResult]:
    for port, sockets in by_port.items():
        reached = [socket for socket in sockets if not socket.is_loopback]
        what = ours.get(port) or ("Redis" if port == REDIS_PORT else "")
        if not reached or not (what or port in UNGUARDED):
            continue
        socket = reached[0]
        named = f" ({what})" if what else ""
        yield CheckResult(
            EXPOSED,
            f"port {port}",
            Verdict.FAIL if what else Verdict.WARN,
            Severity.P2 if port in ours else Severity.P1,
            f"listens on {socket.address}{named}: other machines reach it",
            expected="127.0.0.1",
            actual=f"{socket.address}, {socket.owner}",
            meaning="it asks nobody who they are; a firewall may stand before it, not seen here",
            fix=f"ss -lntp 'sport = :{port}'",
        )


def _shared(by_port: Mapping[int, Sequence[Listener]]) -> Iterator[CheckResult]:
    for port, sockets in by_port.items():
        pids = {socket.pid for socket in sockets if socket.pid is not None}
        addresses = [socket.address for socket in sockets]
        if len(pids) > 1 or len(addresses) != len(set(addresses)):
            yield CheckResult(
                SHARED,
                f"port {port}",
                Verdict.WARN,
                Severity.P2,
                f"{len(sockets)} listeners",
                expected="one owner",
                actual=", ".join(f"{socket.address} {socket.owner}" for socket in sockets),
                meaning="which of them answers is chance: one may be a stray of an older life",
                fix=f"ss -lntp 'sport = :{port}'",
            )


def _expected(
    by_port: Mapping[int, Sequence[Listener]], ours: Mapping[int, str], alive: Collection[str]
) -> Iterator[CheckResult]:
    for port, service in ours.items():
        if service not in alive:
            continue
        name = f"port {port}"
        if port in by_port:
            text = f"{service}'s metrics, {by_port[port][0].owner}"
            yield CheckResult(EXPECTED, name, Verdict.PASS, Severity.P2, text)
        else:
            yield CheckResult(
                EXPECTED,
                name,
                Verdict.WARN,
                Severity.P2,
                f"nobody listens, and {service} lives: no metrics of it",
                expected="a listener",
                actual="none",
                fix=f"qtops config show {Service(service).metrics_setting}",
            )


def _owners(sockets: Sequence[Listener]) -> Iterator[CheckResult]:
    unknown = sorted({socket.port for socket in sockets if socket.pid is None})
    known = [f"{s.port} {s.address} {s.owner}" for s in sockets if s.pid is not None]
    if unknown:
        yield CheckResult(
            OWNERS,
            "ports of other users",
            Verdict.UNKNOWN,
            Severity.P3,
            f"{len(unknown)} ports belong to processes of other users: owner unknown",
            evidence=(", ".join(map(str, unknown)),),
            fix="sudo qtops audit system --only ports",
        )
    if known or not sockets:
        text = f"{len(known)} listeners, each with its owner"
        yield CheckResult(OWNERS, "ports", Verdict.PASS, Severity.P3, text, evidence=tuple(known))
