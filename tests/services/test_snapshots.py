"""What the publisher writes of the account is what the gates may believe."""

import asyncio
from decimal import Decimal

from qtops.adapters.snapshot_store import RedisSnapshotStore
from qtops.contracts.codec import decode_fields
from qtops.contracts.environment import Environment
from qtops.contracts.facts import Portfolio
from qtops.contracts.portfolio_state import PortfolioState
from qtops.contracts.registry import Key, Service, Stream
from qtops.contracts.snapshot import decode_portfolio
from tests.services.conftest import System, until

FAST = {"SNAPSHOT_POSITIONS_SECONDS": "0.05", "SNAPSHOT_EQUITY_SECONDS": "0.1"}
ACCOUNT = "/fapi/v3/account"


async def portfolio(system: System) -> Portfolio:
    raw = await system.link.client.hgetall(system.names.key(Key.PORTFOLIO))
    return decode_portfolio(decode_fields(raw)).value


async def states(system: System) -> list[PortfolioState]:
    rows = await system.link.client.xrange(system.names.stream(Stream.PORTFOLIO_STATE))
    return [PortfolioState.from_fields(decode_fields(raw)) for _, raw in rows]


def peak_key(system: System) -> str:
    return system.names.key(Key.PEAK_EQUITY, environment="sandbox")


async def equity_at_exchange(system: System) -> Decimal:
    account = await system.signed("GET", ACCOUNT)
    return Decimal(account["totalMarginBalance"])


async def test_a_position_that_is_gone_is_written_flat(system: System):
    only = {"P33_ALLOWLIST": "BTCUSDT", "INTENT_EXECUTOR_ALLOWLIST": "BTCUSDT"}
    await system.start(Service.SNAPSHOTS, SNAPSHOT_POSITIONS_SECONDS="0.05", **only)
    key = system.names.key(Key.POSITION, symbol="TRXUSDT")

    async def amount():
        return await system.link.client.hget(key, "position_amt")

    await until(amount, b"17889")
    await system.control("POST", "positions", symbol="TRXUSDT", amount="0", entry_price="0.3")
    await until(amount, b"0")


async def test_an_age_is_counted_from_before_the_question(system: System):
    """The exchange takes 300 ms to answer; the snapshot must be at least that old when written."""
    fault = {"path": "/fapi/v3/positionRisk", "method": "GET", "kind": "latency_ms", "count": 100}
    await system.control("POST", "faults", **fault, value=300)
    await system.start(Service.SNAPSHOTS)
    key = system.names.key(Key.POSITION, symbol="TRXUSDT")
    first = int(await system.link.client.hget(key, "observed_at_ms"))

    async def newer():
        return int(await system.link.client.hget(key, "observed_at_ms")) > first

    await until(newer, True)
    observed = int(await system.link.client.hget(key, "observed_at_ms"))
    assert await system.link.now_ms() - observed >= 300


async def test_filters_are_published(system: System):
    await system.start(Service.SNAPSHOTS)
    rules = await system.link.client.hget(system.names.key(Key.FILTERS), "TRXUSDT")
    assert b"market_step" in rules


async def test_equity_is_the_exchanges_margin_balance_and_a_loss_is_a_drawdown(system: System):
    await system.start(Service.SNAPSHOTS, **FAST)
    before = await equity_at_exchange(system)
    shown = await portfolio(system)
    assert shown.equity_usdt == shown.peak_equity_usdt == before
    await system.control("POST", "prices", symbol="ETHUSDT", mark_price="2900")
    after = await equity_at_exchange(system)
    assert after < before

    async def equity():
        return (await portfolio(system)).equity_usdt

    await until(equity, after)
    state = PortfolioState.of(await portfolio(system), 1)
    assert state.peak_equity_usdt == before
    assert state.drawdown_usdt == before - after
    assert state.drawdown == (before - after) / before
    assert state.gross_exposure_usdt == 17889 * Decimal("0.30") + Decimal("6.678") * 2900


async def test_the_peak_outlives_a_restart_and_ends_with_its_key(system: System):
    await system.start(Service.SNAPSHOTS, **FAST)
    before = (await portfolio(system)).equity_usdt
    await system.stop()
    await system.control("POST", "prices", symbol="ETHUSDT", mark_price="2900")
    await system.start(Service.SNAPSHOTS, **FAST)
    shown = await portfolio(system)
    assert shown.equity_usdt < shown.peak_equity_usdt == before
    assert await system.link.client.ttl(peak_key(system)) == -1
    await system.link.client.delete(peak_key(system))

    async def peak():
        return (await portfolio(system)).peak_equity_usdt

    await until(peak, shown.equity_usdt)


async def test_a_peak_that_cannot_be_read_leaves_the_drawdown_unknown(system: System):
    await system.link.client.hset(peak_key(system), mapping={"equity_usd": "a lot"})
    await system.start(Service.SNAPSHOTS, **FAST)
    shown = await portfolio(system)
    assert shown.equity_usdt is not None
    assert shown.peak_equity_usdt is None
    assert await system.link.client.hgetall(peak_key(system)) == {b"equity_usd": b"a lot"}


async def test_equity_that_cannot_be_read_is_absent_and_positions_go_on(system: System):
    fault = {"path": ACCOUNT, "method": "GET", "kind": "unavailable_503", "count": 1000}
    await system.control("POST", "faults", **fault)
    await system.start(Service.SNAPSHOTS, **FAST)
    shown = await portfolio(system)
    assert shown.equity_usdt is None
    assert shown.peak_equity_usdt is None
    assert shown.positions.keys() == {"TRXUSDT", "ETHUSDT"}
    assert (await states(system))[-1].drawdown is None
    await system.control("DELETE", "faults")

    async def known():
        return (await portfolio(system)).equity_usdt is not None

    await until(known, True)
    await system.control("POST", "faults", **fault)
    await until(known, False)


async def test_the_state_is_told_at_once_when_a_position_changes_and_seldom_otherwise(
    system: System,
):
    pace = {"SNAPSHOT_POSITIONS_SECONDS": "0.02", "SNAPSHOT_EQUITY_SECONDS": "3600"}
    await system.start(Service.SNAPSHOTS, **pace)
    key = system.names.key(Key.POSITION, symbol="TRXUSDT")

    async def seen_at():
        return int(await system.link.client.hget(key, "observed_at_ms"))

    first = await seen_at()

    async def some_later():
        return await seen_at() > first + 200

    await until(some_later, True)
    assert [state.position_count for state in await states(system)] == [2]
    await system.control("POST", "positions", symbol="TRXUSDT", amount="0", entry_price="0.3")

    async def counts():
        return [state.position_count for state in await states(system)]

    await until(counts, [2, 1])


async def test_many_writers_never_lower_the_peak(system: System):
    """Compare-and-swap: between reading the peak and writing it, another may have raised it."""
    store = RedisSnapshotStore(system.link, Environment.SANDBOX)
    readings = [Portfolio({}, Decimal(n), equity_at_ms=1) for n in (7, 3, 20, 9, 14, 2, 19, 5) * 4]
    await asyncio.gather(*(store.positions(r, frozenset(), 1, tell=False) for r in readings))
    assert (await system.link.client.hget(peak_key(system), "equity_usd")) == b"20"
