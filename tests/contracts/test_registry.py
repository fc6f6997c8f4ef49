"""Every Redis name exists once, has one writer, and cannot be mistaken for another."""

import pkgutil
from importlib import import_module
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops import contracts
from qtops.contracts.registry import GATE_SERVICES, PERMIT_KEYS, Key, Names, Service, Stream
from qtops.contracts.vocabulary import FactName, GateName
from qtops.gates.governor import GOVERNOR
from qtops.gates.portfolio import PORTFOLIO_GATE
from qtops.gates.position import POSITION_GATE
from tests.strategies import printable

NAMESPACES = ("quantum", "{quantum}", "qt:2")
PARTS = {"plan_id", "symbol", "service", "key_id", "environment", "intent_id"}
PARTS |= {"window", "source", "client_order_id"}


def parts_of(key):
    return {name for _, name, _, _ in Formatter().parse(key.value.template) if name}


def full(names, key, value="x"):
    return names.key(key, **dict.fromkeys(parts_of(key), value))


def test_every_name_is_there_once():
    templates = [key.value.template for key in Key] + [stream.value.name for stream in Stream]
    assert len(set(templates)) == len(templates)
    assert len(list(Key)) == len(Key.__members__)
    assert len(list(Stream)) == len(Stream.__members__)


@pytest.mark.parametrize("key", Key, ids=lambda key: key.name.lower())
def test_a_key_has_a_writer_a_reader_and_a_life(key):
    spec = key.value
    assert isinstance(spec.writer, Service)
    assert spec.readers
    assert len(set(spec.readers)) == len(spec.readers)
    assert spec.ttl_s is None or spec.ttl_s > 0
    assert spec.purpose
    assert parts_of(key) <= PARTS


@pytest.mark.parametrize("stream", Stream, ids=lambda stream: stream.name.lower())
def test_a_stream_has_writers_readers_and_a_bound(stream):
    spec = stream.value
    assert spec.writers
    assert spec.groups or spec.readers
    assert spec.maxlen > 0
    readers = [group.service for group in spec.groups]
    assert len(set(readers)) == len(readers)
    assert spec.dead_letters is None or spec.dead_letters in readers


def test_whoever_dead_letters_may_write_the_dlq():
    letters = {s.value.dead_letters for s in Stream if s.value.dead_letters is not None}
    assert letters == set(Stream.DLQ.value.writers)


@pytest.mark.parametrize("stream", Stream, ids=lambda stream: stream.name.lower())
def test_undecodable_entries_have_exactly_one_undertaker_where_services_consume(stream):
    assert (stream.value.dead_letters is not None) == bool(stream.value.groups)


def test_every_message_of_a_stream_has_its_parser():
    modules = [
        import_module(f"{contracts.__name__}.{module.name}")
        for module in pkgutil.iter_modules(contracts.__path__)
    ]
    messages = {stream.value.message for stream in Stream}
    parsers = {
        name: vars(module)[name]
        for module in modules
        for name in messages
        if getattr(vars(module).get(name), "__module__", "") == module.__name__
    }
    assert parsers.keys() == messages
    readable = {name for name, parser in parsers.items() if callable(parser.from_fields)}
    assert readable == messages


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_name_lies_in_its_namespace(namespace):
    names = Names(namespace)
    for key in Key:
        assert full(names, key).startswith(f"{namespace}:")
        assert full(names, key).startswith(names.prefix(key))
    for stream in Stream:
        assert names.stream(stream) == f"{namespace}:stream:{stream.value.name}"


def test_operators_find_the_names_they_know():
    names = Names("quantum")
    assert names.stream(Stream.APPLY_PLAN) == "quantum:stream:apply.plan"
    assert names.key(Key.PERMIT_GOVERNOR, plan_id="p") == "quantum:permit:p"
    assert names.key(Key.PERMIT_PORTFOLIO, plan_id="p") == "quantum:permit:p26:p"
    assert names.key(Key.PERMIT_POSITION, plan_id="p") == "quantum:permit:p33:p"
    assert names.key(Key.GOVERNOR_BLOCK, plan_id="p") == "quantum:governor:block:p"
    assert names.key(Key.TRADE_COOLDOWN, symbol="S") == "quantum:governor:last_exec:S"
    assert names.key(Key.EXEC_COOLDOWN, symbol="S") == "quantum:cooldown:last_exec_ts:S"
    assert names.key(Key.POSITION, symbol="S") == "quantum:state:positions:S"
    assert names.key(Key.BOOK, symbol="S") == "quantum:position:ledger:S"
    assert names.key(Key.KILL) == "quantum:kill"
    assert names.key(Key.MODE) == "quantum:mode"
    assert names.key(Key.MANUAL_LANE) == "quantum:manual_lane:enabled"
    assert names.key(Key.RECONCILE_HOLD, symbol="S") == "quantum:reconcile:hold:S"
    assert Key.PERMIT_GOVERNOR.value.ttl_s == 60


@pytest.mark.parametrize("key", Key, ids=lambda key: key.name.lower())
def test_a_template_is_never_half_filled(key):
    if parts_of(key):
        with pytest.raises(KeyError):
            Names("quantum").key(key)


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_group_is_found_by_its_reader(namespace):
    names = Names(namespace)
    assert names.group(Stream.APPLY_PLAN, Service.POSITION_GATE) == "p33"
    assert names.group(Stream.APPLY_PLAN, Service.EXECUTOR) == "intent_executor"
    assert names.group(Stream.APPLY_PLAN_MANUAL, Service.EXECUTOR) == "intent_executor_manual"
    intents = names.group(Stream.TRADE_INTENT, Service.INTENT_BRIDGE)
    assert intents == f"{namespace}:group:intent_bridge"
    for stream in Stream:
        groups = [names.group(stream, group.service) for group in stream.value.groups]
        assert len(set(groups)) == len(groups)


def test_every_gate_and_the_executor_read_both_lanes():
    lanes = {Stream.APPLY_PLAN, Stream.APPLY_PLAN_MANUAL}
    for service in (*GATE_SERVICES.values(), Service.EXECUTOR):
        read = {s for s in Stream if any(group.service is service for group in s.value.groups)}
        assert read == lanes


def family(names, key_name):
    """What `audit permits` does: the longest prefix that fits."""
    fitting = [g for g, k in PERMIT_KEYS.items() if key_name.startswith(names.prefix(k))]
    return max(fitting, key=lambda gate: len(names.prefix(PERMIT_KEYS[gate])))


@given(plan_id=printable, gate=st.sampled_from(GateName), namespace=st.sampled_from(NAMESPACES))
def test_a_permits_key_tells_its_gate_whatever_the_plan_is_called(plan_id, gate, namespace):
    names = Names(namespace)
    key_name = names.key(PERMIT_KEYS[gate], plan_id=plan_id)
    assert family(names, key_name) is gate
    assert key_name.removeprefix(names.prefix(PERMIT_KEYS[gate])) == plan_id


def test_every_gate_has_its_permit_and_its_service():
    assert PERMIT_KEYS.keys() == GATE_SERVICES.keys() == set(GateName)
    for gate, key in PERMIT_KEYS.items():
        assert key.value.writer is GATE_SERVICES[gate]
        assert key.value.readers == (Service.EXECUTOR, Service.AUDITS)


# Which keys a fact is read from.
FACT_KEYS = {
    FactName.ROLLOUT: (Key.ROLLOUT,),
    FactName.CONTROL: (Key.KILL, Key.KILL_EPOCH, Key.MANUAL_LANE),
    FactName.ALLOWLIST: (Key.UNIVERSE_ACTIVE, Key.UNIVERSE_LAST_OK),
    FactName.FILTERS: (Key.FILTERS,),
    FactName.POSITION: (Key.POSITION,),
    FactName.BOOK: (Key.BOOK,),
    FactName.MARK: (Key.MARKET,),
    FactName.PORTFOLIO: (Key.PORTFOLIO,),
    FactName.CLUSTERS: (Key.CLUSTER_STATE,),
    FactName.BUDGET: (Key.BUDGET,),
    FactName.ALLOCATION: (Key.ALLOCATION,),
    FactName.VOLATILITY: (Key.VOLATILITY,),
    FactName.RESERVATIONS: (Key.RESERVATIONS, Key.RESERVATIONS_VERSION),
    FactName.TRADE_COOLDOWN: (Key.TRADE_COOLDOWN,),
    FactName.EXEC_COOLDOWN: (Key.EXEC_COOLDOWN,),
    FactName.HEAT_COOLDOWN: (Key.HEAT_COOLDOWN,),
    FactName.OPEN_HISTORY: (Key.OPEN_HISTORY,),
    FactName.RECONCILE_HOLD: (Key.RECONCILE_HOLD,),
}


@pytest.mark.parametrize("gate", [GOVERNOR, PORTFOLIO_GATE, POSITION_GATE], ids=lambda g: g.name)
def test_a_gate_reads_only_keys_that_name_it_as_a_reader(gate):
    assert FACT_KEYS.keys() == set(FactName)
    service = GATE_SERVICES[gate.name]
    for fact in gate.facts:
        for key in FACT_KEYS[fact]:
            assert service in key.value.readers, key
