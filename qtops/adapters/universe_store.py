"""The universe in Redis: its one writer, and the tiers that readers take from it."""

from typing import Any

from qtops.adapters.link import RedisLink
from qtops.contracts.codec import decode_fields
from qtops.contracts.facts import Fact, Known, Missing
from qtops.contracts.registry import Key
from qtops.contracts.universe import Allowlist, UniverseList, UniverseMeta
from qtops.errors import DecodeError
from qtops.gates.universe import UniverseAges, choose
from qtops.ports import UniverseReading

TIER_KEYS = (Key.UNIVERSE_ACTIVE, Key.UNIVERSE_LAST_OK)
_LONGEST_TEXT = 80


class Tiers:
    """One reader's way to its allowlist. `env` is its own list, None when it has none.

    Lists change once a minute at most and are read with every plan, so the last decoding of each
    is kept as long as its bytes are the same.
    """

    def __init__(self, env: frozenset[str] | None, ages: UniverseAges) -> None:
        self._env = env
        self._ages = ages
        self._kept: dict[Key, tuple[bytes, Fact[UniverseList]]] = {}

    def choose(self, active: Any, last_ok: Any, now_ms: int) -> Known[Allowlist] | Missing:
        """Decide over the replies to GET of `TIER_KEYS`."""
        first, second = self._list(TIER_KEYS[0], active), self._list(TIER_KEYS[1], last_ok)
        return choose(first, second, self._env, now_ms, self._ages)

    def _list(self, key: Key, reply: Any) -> Fact[UniverseList]:
        if not isinstance(reply, bytes):
            return decode_list(reply)
        kept = self._kept.get(key)
        if kept is None or kept[0] != reply:
            kept = self._kept[key] = (reply, decode_list(reply))
        return kept[1]


class RedisAllowlist:
    """Implements `qtops.ports.sources.AllowlistSource`."""

    def __init__(self, link: RedisLink, tiers: Tiers) -> None:
        self._link = link
        self._tiers = tiers

    async def allowlist(self) -> Known[Allowlist] | Missing:
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        for key in TIER_KEYS:
            pipe.get(self._link.names.key(key))
        with self._link.guard():
            (seconds, micros), active, last_ok = await pipe.execute(raise_on_error=False)
        return self._tiers.choose(active, last_ok, int(seconds) * 1000 + int(micros) // 1000)


class RedisUniverseStore:
    """Implements `qtops.ports.UniverseStore`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._active, self._last_ok, self._meta = (
            link.names.key(key) for key in (*TIER_KEYS, Key.UNIVERSE_META)
        )

    async def read(self) -> UniverseReading:
        pipe = self._link.client.pipeline(transaction=False)
        pipe.time()
        pipe.get(self._active)
        pipe.get(self._last_ok)
        pipe.hgetall(self._meta)
        with self._link.guard():
            (seconds, micros), active, last_ok, meta = await pipe.execute(raise_on_error=False)
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        lists = decode_list(active), decode_list(last_ok)
        return UniverseReading(now_ms, *lists, decode_meta(meta))

    async def publish(self, listed: UniverseList, meta: UniverseMeta) -> None:
        text = listed.to_json()
        await self._write({self._active: text, self._last_ok: text}, meta)

    async def hold(self, meta: UniverseMeta, restore: UniverseList | None) -> None:
        await self._write({self._active: restore.to_json()} if restore else {}, meta)

    async def _write(self, texts: dict[str, str], meta: UniverseMeta) -> None:
        pipe = self._link.client.pipeline(transaction=True)
        for name, text in texts.items():
            pipe.set(name, text)
        pipe.delete(self._meta)
        pipe.hset(self._meta, mapping=meta.to_fields())
        with self._link.guard():
            await pipe.execute()


def decode_list(reply: Any) -> Fact[UniverseList]:
    """A reply to GET."""
    if reply is None:
        return Missing("absent")
    try:
        listed = UniverseList.from_json(_field(reply))
    except DecodeError as error:
        return Missing(f"unreadable: {error.message[:_LONGEST_TEXT]}")
    return Known(listed, listed.observed_at_ms)


def decode_meta(reply: Any) -> Fact[UniverseMeta]:
    """A reply to HGETALL."""
    if isinstance(reply, Exception):
        return Missing(f"unreadable: {str(reply)[:_LONGEST_TEXT]}")
    if not reply:
        return Missing("absent")
    try:
        meta = UniverseMeta.from_fields(decode_fields(reply))
    except DecodeError as error:
        return Missing(f"unreadable: {error.message[:_LONGEST_TEXT]}")
    return Known(meta, meta.attempted_at_ms)


def _field(reply: Any) -> str:
    if isinstance(reply, Exception):
        raise DecodeError("wrong_type", "", str(reply))
    return decode_fields({b"value": reply})["value"]
