"""Ports, Redis, the machine, the switches: pure judges as tables."""

from dataclasses import replace
from decimal import Decimal

import pytest

from qtops.audits.stop_switches import read_board
from qtops.audits.system_host import judge_clock, judge_host
from qtops.audits.system_ports import judge_ports
from qtops.audits.system_redis import judge_keys, judge_setup
from qtops.audits.system_trade import judge_switches
from qtops.contracts.check import Severity, Verdict
from qtops.contracts.facts import Missing
from qtops.contracts.system_reading import HostReading, KeyCensus, Listener, RedisReading
from qtops.contracts.vitals import DiskVitals
from qtops.ports import ControlReading

FAIL, WARN, PASS, UNKNOWN = Verdict.FAIL, Verdict.WARN, Verdict.PASS, Verdict.UNKNOWN
OURS = {8044: "governor"}


def ports(*sockets, alive=()):
    found = judge_ports(sockets, OURS, alive)
    return {(r.check, r.subject): (r.verdict, r.severity) for r in found}


def test_metrics_on_every_address_are_a_fault_and_on_loopback_none():
    assert ports(Listener("0.0.0.0", 8044, 1))["ports.exposed", "port 8044"] == (FAIL, Severity.P2)
    assert ports(Listener("::", 8044, 1))["ports.exposed", "port 8044"] == (FAIL, Severity.P2)
    for address in ("127.0.0.1", "::1"):
        assert ports(Listener(address, 8044, 1))["ports.exposed", "all ports"][0] is PASS


def test_the_originals_ports_and_redis_are_a_risk_and_a_web_server_is_none():
    assert ports(Listener("0.0.0.0", 8007, 1))["ports.exposed", "port 8007"] == (WARN, Severity.P1)
    assert ports(Listener("10.0.0.5", 6379, 1))["ports.exposed", "port 6379"] == (FAIL, Severity.P1)
    assert ("ports.exposed", "port 443") not in ports(Listener("0.0.0.0", 443, 1))


def test_two_owners_of_a_port():
    two = (Listener("127.0.0.1", 8044, 1), Listener("127.0.0.1", 8044, 2))
    assert ports(*two)["ports.shared", "port 8044"] == (WARN, Severity.P2)
    both_families = (Listener("127.0.0.1", 8044, 1), Listener("::1", 8044, 1))
    assert ("ports.shared", "port 8044") not in ports(*both_families)


def test_a_port_is_expected_of_a_living_service_only():
    there = Listener("127.0.0.1", 8044, 1)
    assert ports(there, alive={"governor"})["ports.expected", "port 8044"][0] is PASS
    assert ports(alive={"governor"})["ports.expected", "port 8044"][0] is WARN
    assert ("ports.expected", "port 8044") not in ports()


def test_an_owner_that_cannot_be_seen_is_unknown():
    found = ports(Listener("127.0.0.1", 9, None))
    assert found["ports.owners", "ports of other users"] == (UNKNOWN, Severity.P3)
    assert ("ports.owners", "ports") not in found


# --- Redis ----------------------------------------------------------------------------------------

REDIS = RedisReading("7.2.4", "noeviction", 0, True, 0, "password", "127.0.0.1", "yes")
SETUPS = {
    "all well": ({}, {}),
    "old": ({"version": "6.2.1"}, {"redis.version": WARN}),
    "version unknown": ({"version": ""}, {"redis.version": UNKNOWN}),
    "no password, open": (
        {"default_user": "nopass", "bind": "0.0.0.0", "protected": "no"},
        {"redis.access": FAIL},
    ),
    "no password, every address": (
        {"default_user": "nopass", "bind": "", "protected": "no"},
        {"redis.access": FAIL},
    ),
    "no password, bind unknown": (
        {"default_user": "nopass", "bind": Missing("NOPERM"), "protected": Missing("NOPERM")},
        {"redis.access": FAIL},
    ),
    "no password, loopback": (
        {"default_user": "nopass", "protected": "no"},
        {"redis.access": WARN},
    ),
    "no password, protected": (
        {"default_user": "nopass", "bind": "* -::*"},
        {"redis.access": WARN},
    ),
    "ACL refused": ({"default_user": Missing("NOPERM")}, {"redis.access": UNKNOWN}),
    "no append-only file": ({"aof": False}, {"redis.persistence": FAIL}),
    "evicts": ({"policy": "allkeys-lru", "memory_limit": 1}, {"redis.eviction": FAIL}),
    "would evict without a limit": ({"policy": "allkeys-lru"}, {}),
    "policy unknown": ({"policy": ""}, {"redis.eviction": UNKNOWN}),
}


@pytest.mark.parametrize(("change", "expected"), SETUPS.values(), ids=SETUPS)
def test_how_redis_is_set_up(change, expected):
    found = judge_setup(replace(REDIS, **change))
    assert {r.check: r.verdict for r in found if r.verdict is not PASS} == expected


CENSUS = KeyCensus(9, {}, {"state:portfolio": 1, "position:ledger:": 3}, is_partial=False)


def keys(census=CENSUS, **spelled):
    found = judge_keys(census, {name: frozenset(names) for name, names in spelled.items()})
    return {(r.check, r.subject): r for r in found}


def test_keys_that_never_expire():
    family = "permit:p33:{plan_id}"
    census = replace(CENSUS, immortal={family: ("quantum:permit:p33:x",)})
    result = keys(census)["redis.expiry", family]
    assert (result.verdict, result.evidence) == (FAIL, ("quantum:permit:p33:x",))
    assert keys()["redis.expiry", "all keys"].verdict is PASS
    partial = keys(replace(CENSUS, is_partial=True))["redis.expiry", "all keys"]
    assert partial.verdict is UNKNOWN


def test_a_name_in_another_order_is_one_that_nobody_writes():
    result = keys(gate=["portfolio:state"])["redis.names", "portfolio:state (gate)"]
    assert (result.verdict, result.expected) == (FAIL, "state:portfolio")
    assert keys(gate=["state:portfolio"])["redis.names", "names in code"].verdict is PASS


def test_a_known_misspelling_in_code_and_in_redis():
    assert keys(bridge=["ledger:"])["redis.names", "ledger (bridge)"].expected == "position:ledger:"
    alive = replace(CENSUS, prefixes={"ledger:": 2})
    assert keys(alive)["redis.names", "ledger:"].title.startswith("2 keys under a spelling")


def test_an_unfinished_scan_accuses_nobody():
    partial = replace(CENSUS, is_partial=True)
    assert (
        keys(partial, gate=["portfolio:state"])["redis.names", "names in code"].verdict is UNKNOWN
    )


# --- the machine, clocks, switches ----------------------------------------------------------------

HOST = HostReading(
    (DiskVitals("/", 1 << 30, Decimal("0.5"), Decimal("0.5")),),
    100,
    50,
    Decimal(1),
    2,
    1,
    100,
)
HOSTS = {
    "fit": ({}, {}),
    "disk nearly full": (
        {"disks": (DiskVitals("/", 1, Decimal("0.09"), None),)},
        {"host.disk": WARN},
    ),
    "no inode left": (
        {"disks": (DiskVitals("/", 1, Decimal("0.5"), Decimal("0.01")),)},
        {"host.disk": FAIL},
    ),
    "memory gone": ({"memory_available": 4}, {"host.memory": FAIL}),
    "memory unknown": ({"memory_available": None}, {"host.memory": UNKNOWN}),
    "busy": ({"load": Decimal("4.1")}, {"host.load": WARN}),
    "load unknown": ({"load": None}, {"host.load": UNKNOWN}),
    "logs large": ({"log_bytes": 11}, {"host.logs": WARN}),
    "logs unread": ({"log_bytes": None}, {"host.logs": UNKNOWN}),
}


@pytest.mark.parametrize(("change", "expected"), HOSTS.values(), ids=HOSTS)
def test_the_machine(change, expected):
    found = judge_host(replace(HOST, **change))
    assert {r.check: r.verdict for r in found if r.verdict is not PASS} == expected


@pytest.mark.parametrize(
    ("offset_ms", "verdict"),
    [(0, PASS), (-249, PASS), (250, WARN), (-1000, FAIL), (Missing("away"), UNKNOWN)],
)
def test_clocks(offset_ms, verdict):
    assert judge_clock("Redis", offset_ms).verdict is verdict


CONTROL = ControlReading(1, "0", "1", "TESTNET", None, -2, {}, {})
BOARDS = {
    "active": ({}, {}),
    "no kill switch": ({"kill": None}, {"trading state": FAIL}),
    "halted": ({"kill": "1"}, {"trading state": WARN}),
    "lane without end": (
        {"manual_lane": "1", "manual_lane_ttl_ms": -1},
        {"quantum:manual_lane:enabled": FAIL},
    ),
    "a switch that stops nothing, set": (
        {"legacy": {"governor:halt": "1"}},
        {"quantum:governor:halt": FAIL},
    ),
    "a switch that stops nothing": (
        {"legacy": {"governor:halt": "0"}},
        {"quantum:governor:halt": WARN},
    ),
    "rollout unreadable": ({"rollout": "x"}, {"switches": FAIL}),
}


@pytest.mark.parametrize(("change", "expected"), BOARDS.values(), ids=BOARDS)
def test_switches(change, expected):
    board = read_board(replace(CONTROL, **change), {}, "quantum")
    found = judge_switches(board)
    assert {r.subject: r.verdict for r in found if r.verdict is not PASS} == expected
