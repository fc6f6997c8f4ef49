"""What is stored of the universe, whether it may be believed, and how it differs from elsewhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qtops.contracts.facts import Fact, Known, Missing
from qtops.contracts.universe import Allowlist, Tier, UniverseList, UniverseMeta
from qtops.gates.universe import UniverseAges, choose
from qtops.ports import UniverseReading


@dataclass(frozen=True, slots=True)
class UniverseProof:
    """One reading of Redis, and of the exchange where it answered."""

    reading: UniverseReading
    listed: Fact[frozenset[str]]
    ages: UniverseAges

    @property
    def taken(self) -> Known[Allowlist] | Missing:
        """The tier that a reader without a list of its own would take now."""
        r = self.reading
        return choose(r.active, r.last_ok, None, r.now_ms, self.ages)

    @property
    def served(self) -> UniverseList | None:
        return self.reading.served.value if isinstance(self.reading.served, Known) else None

    @property
    def meta(self) -> UniverseMeta | None:
        return self.reading.meta.value if isinstance(self.reading.meta, Known) else None

    @property
    def age_ms(self) -> int | None:
        """Of the list that is served."""
        return None if self.served is None else self.reading.now_ms - self.served.observed_at_ms

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the universe is not fresh and valid; none when it is."""
        return tuple(self._faults())

    def _faults(self) -> Iterator[str]:
        taken, meta = self.taken, self.reading.meta
        if isinstance(taken, Missing):
            yield f"readers take their own lists: {taken.why}"
        elif taken.value.tier is not Tier.ACTIVE:
            yield f"readers take {taken.value.tier.value}: {taken.value.skipped}"
        if isinstance(meta, Missing):
            yield f"meta {meta.why}"
        elif meta.value.stale:
            yield f"stale, {meta.value.reason}"
        elif self.served is not None and meta.value.count != len(self.served.symbols):
            yield f"meta counts {meta.value.count}, the list has {len(self.served.symbols)}"

    @property
    def differences(self) -> Mapping[str, tuple[list[str], list[str]] | None]:
        """By what `active` is held against: (only in active, only there); None: not comparable."""
        last_ok = self.reading.last_ok
        others = {
            "last_ok": last_ok.value.symbols if isinstance(last_ok, Known) else None,
            "exchange": self.listed.value if isinstance(self.listed, Known) else None,
        }
        active = self.reading.active
        mine = active.value.symbols if isinstance(active, Known) else None
        return {
            name: None
            if mine is None or theirs is None
            else (sorted(mine - theirs), sorted(theirs - mine))
            for name, theirs in others.items()
        }


@dataclass(frozen=True, slots=True)
class ReaderList:
    """One reader's allowlist now. `bound` says that its own list narrows the universe's."""

    reader: str
    setting: str
    own: frozenset[str]
    bound: bool
    universe: Known[Allowlist] | Missing

    @property
    def tier(self) -> Tier:
        """Whose word it takes; its own where it could take no other."""
        return self.universe.value.tier if isinstance(self.universe, Known) else Tier.ENV

    @property
    def symbols(self) -> frozenset[str]:
        """What it lets open."""
        if isinstance(self.universe, Missing):
            return self.own
        listed = self.universe.value.symbols
        return listed & self.own if self.bound else listed

    @property
    def skipped(self) -> str:
        """Why better tiers were not taken."""
        if isinstance(self.universe, Missing):
            return self.universe.why
        return self.universe.value.skipped

    def verdict(self, symbol: str) -> tuple[bool, str]:
        """Whether the reader lets `symbol` open, and why."""
        if self.bound and symbol not in self.own:
            return False, f"not in {self.setting}"
        if symbol in self.symbols:
            return True, f"in {self.source}"
        source = self.setting if self.tier is Tier.ENV else f"universe {self.tier.value}"
        return False, f"not in {source}"

    @property
    def source(self) -> str:
        """In words, where its symbols come from."""
        if self.tier is Tier.ENV:
            return self.setting
        universe = f"universe {self.tier.value}"
        return f"{universe} and {self.setting}" if self.bound else universe
