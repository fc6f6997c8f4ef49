"""One running exchange: its engine, what guards it, and the journal that keeps it."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from qtops.sandbox.exchange.core.engine import Engine
from qtops.sandbox.exchange.core.instruments import LISTED
from qtops.sandbox.exchange.core.market import Market
from qtops.sandbox.exchange.core.orders import BOTH, LONG, SHORT
from qtops.sandbox.exchange.core.positions import Position
from qtops.sandbox.exchange.core.state import Account, MarkChange, State, SymbolState
from qtops.sandbox.exchange.rest.auth import Authenticator
from qtops.sandbox.exchange.rest.clock import host_ms
from qtops.sandbox.exchange.rest.faults import Faults
from qtops.sandbox.exchange.rest.journal import Journal
from qtops.sandbox.exchange.rest.limits import Limits
from qtops.sandbox.exchange.rest.user_streams import UserStreams
from qtops.sandbox.exchange.scenario import ExchangeScenario


def initial_state(scenario: ExchangeScenario, now_ms: int) -> State:
    """The state a scenario describes."""
    account = Account(scenario.wallet_balance, hedge_mode=scenario.hedge_mode, update_ms=now_ms)
    state = _blank_state(scenario, account)
    for held in scenario.positions:
        side = side_of(held.amount, hedge_mode=scenario.hedge_mode)
        state.positions[held.symbol, side] = Position(
            held.symbol, side, held.amount, held.entry_price, update_ms=now_ms
        )
    return state


def side_of(amount: Decimal, *, hedge_mode: bool) -> str:
    """The position side that holds a signed amount."""
    if not hedge_mode:
        return BOTH
    return LONG if amount > 0 else SHORT


def _blank_state(scenario: ExchangeScenario, account: Account) -> State:
    marks = {name: scenario.symbols.get(name, rules.mark) for name, rules in LISTED.items()}
    return State(
        account=account,
        symbols={
            name: SymbolState(name, mark, min(scenario.leverage, LISTED[name].max_leverage))
            for name, mark in marks.items()
        },
        marks={name: [MarkChange(name, mark, 0)] for name, mark in marks.items()},
    )


class Venue:
    """Everything a request can reach. `commit` makes what it changed durable."""

    def __init__(
        self,
        scenario: ExchangeScenario,
        journal: Path | None = None,
        host_clock: Callable[[], int] = host_ms,
    ) -> None:
        self.scenario = scenario
        self.auth = Authenticator(scenario.api_key, scenario.api_secret)
        self.faults = Faults()
        self.limits = Limits(
            scenario.weight_per_minute, scenario.orders_per_10s, scenario.orders_per_minute
        )
        self.latency_ms = scenario.latency_ms
        self._host_clock = host_clock
        self._journal = None if journal is None else Journal(journal)
        self.state = self._start(self._journal)
        self.engine = Engine(self.state, dict(LISTED), scenario.walk)
        self.market = Market(self.state, self.engine.instruments, scenario.walk)
        self.streams = UserStreams(self.engine, self.faults)

    def now_ms(self) -> int:
        """The exchange's own time."""
        return self._host_clock() + self.state.account.clock_offset_ms

    def commit(self) -> None:
        """Write what has changed; tell it to the streams when the disk has it."""
        changed = self.state.drain()
        if self._journal is not None:
            self._journal.append(changed)
        self.streams.publish(self.state.drain_news(), self.now_ms())

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _start(self, journal: Journal | None) -> State:
        """The journal's state if it has one, else the scenario's."""
        kept = [] if journal is None else journal.load()
        if not kept:
            state = initial_state(self.scenario, self._host_clock())
            if journal is not None:
                journal.append(state.everything())
            return state
        state = _blank_state(self.scenario, Account(self.scenario.wallet_balance))
        state.marks.clear()
        state.restore(kept)
        return state
