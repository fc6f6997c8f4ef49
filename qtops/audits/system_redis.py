"""Is Redis set up to hold what must not be lost, and do services agree on its names? Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from qtops.contracts.check import CheckResult, Severity, Verdict
from qtops.contracts.facts import Missing
from qtops.contracts.registry import Key, Stream
from qtops.contracts.registry.paths import MISSPELLED
from qtops.contracts.system_reading import KeyCensus, RedisReading

NAMES: Final = "redis.names"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "-::1", "localhost"})
_OLDEST: Final = (7, 0)
_SERVER: Final = "server"


def judge_setup(redis: RedisReading) -> list[CheckResult]:
    """Version, access, persistence, eviction."""
    return [_version(redis), _access(redis), _persistence(redis), _eviction(redis)]


def no_answer(message: str) -> CheckResult:
    """Nothing can be traded without it, and nothing else of it can be judged."""
    return CheckResult(
        "redis.answer",
        _SERVER,
        Verdict.FAIL,
        Severity.P0,
        message,
        expected="an answer",
        fix="qtops config show QTOPS_REDIS_URL",
    )


def _version(redis: RedisReading) -> CheckResult:
    parts = tuple(int(part) for part in redis.version.split(".")[:2] if part.isdecimal())
    verdict = Verdict.PASS if parts >= _OLDEST else Verdict.WARN
    if not parts:
        verdict = Verdict.UNKNOWN
    return CheckResult(
        "redis.version",
        _SERVER,
        verdict,
        Severity.P3,
        f"Redis {redis.version or 'of unknown version'}",
        expected="7.0 or newer: older ones do not count what groups lost",
        actual=redis.version,
    )


def _access(redis: RedisReading) -> CheckResult:
    check = "redis.access"
    parts = (redis.default_user, redis.bind, redis.protected)
    shown = f"default user {_said(parts[0])}, bind {_said(parts[1])}, protected {_said(parts[2])}"
    if isinstance(redis.default_user, Missing):
        text = "who may do what in Redis cannot be seen"
        return CheckResult(
            check, _SERVER, Verdict.UNKNOWN, Severity.P1, text, actual=redis.default_user.why
        )
    if redis.default_user != "nopass":
        text = f"Redis asks for a password (default user {redis.default_user})"
        return CheckResult(check, _SERVER, Verdict.PASS, Severity.P1, text, actual=shown)
    is_local = not isinstance(redis.bind, Missing) and set(redis.bind.split()) <= _LOOPBACK
    guarded = (is_local and redis.bind) or redis.protected == "yes"
    return CheckResult(
        check,
        _SERVER,
        Verdict.WARN if guarded else Verdict.FAIL,
        Severity.P2 if guarded else Severity.P0,
        "anybody who reaches Redis may place orders through it: the default user has no password",
        expected="requirepass or ACL users",
        actual=shown,
        meaning="whoever can write a plan and its permits trades with this account"
        if not guarded
        else "guarded by loopback or protected mode only: every local process may write plans",
        fix="redis-cli ACL SETUSER default '>PASSWORD', then QTOPS_REDIS_URL",
    )


def _said(value: str | Missing) -> str:
    return "unknown" if isinstance(value, Missing) else value or "every address"


def _persistence(redis: RedisReading) -> CheckResult:
    return CheckResult(
        "redis.persistence",
        _SERVER,
        Verdict.PASS if redis.aof else Verdict.FAIL,
        Severity.P1,
        "Redis keeps an append-only file" if redis.aof else "Redis keeps no append-only file",
        expected="appendonly yes",
        actual="yes" if redis.aof else "no",
        meaning="" if redis.aof else "a crash takes claims, book and groups back to the last save",
        fix="" if redis.aof else "redis-cli CONFIG SET appendonly yes; redis-cli CONFIG REWRITE",
    )


def _eviction(redis: RedisReading) -> CheckResult:
    is_safe = redis.policy == "noeviction" or (redis.policy and redis.memory_limit == 0)
    verdict = Verdict.PASS if is_safe else Verdict.FAIL
    return CheckResult(
        "redis.eviction",
        _SERVER,
        verdict if redis.policy else Verdict.UNKNOWN,
        Severity.P1,
        f"Redis at its limit: {redis.policy or 'unknown'}",
        expected="noeviction",
        actual=f"{redis.policy}, maxmemory {redis.memory_limit}",
        meaning="" if is_safe else "at the limit it deletes streams, books and stop switches",
        fix="" if is_safe else "redis-cli CONFIG SET maxmemory-policy noeviction",
    )


def judge_keys(census: KeyCensus, spelled: Mapping[str, Collection[str]]) -> list[CheckResult]:
    """`spelled`: unit → the names its code spells, without namespace; empty where unknown."""
    return [*_expiry(census), *_misspelled(census), *_nobody_writes(census, spelled)]


def _expiry(census: KeyCensus) -> Iterator[CheckResult]:
    check = "redis.expiry"
    for template, keys in sorted(census.immortal.items()):
        spec = next(key.value for key in Key if key.value.template == template)
        yield CheckResult(
            check,
            template,
            Verdict.FAIL,
            Severity.P2,
            f"{len(keys)} keys never expire",
            expected=f"at most {spec.ttl_s} s",
            actual="no TTL",
            evidence=keys[:5],
            meaning="what should lapse when its writer dies stays true for ever",
            fix=f"redis-cli PTTL {keys[0]}",
        )
    if not census.immortal:
        yield CheckResult(
            check,
            "all keys",
            Verdict.UNKNOWN if census.is_partial else Verdict.PASS,
            Severity.P2,
            f"{'at least ' if census.is_partial else ''}{census.keys} keys looked at, "
            "each that should expire does",
            actual="partial: the time was up" if census.is_partial else "",
        )


def _misspelled(census: KeyCensus) -> Iterator[CheckResult]:
    for wrong, right in MISSPELLED.items():
        count = sum(n for stem, n in census.prefixes.items() if _is_of(stem, wrong))
        if count:
            yield CheckResult(
                NAMES,
                wrong,
                Verdict.FAIL,
                Severity.P2,
                f"{count} keys under a spelling that nobody here reads",
                expected=right,
                actual=wrong,
                meaning="whoever writes them and whoever needs them do not meet",
                fix=f"redis-cli --scan --pattern '*:{wrong}*' | head",
            )


def _is_of(stem: str, name: str) -> bool:
    return stem.startswith(name) if name.endswith(":") else stem == name


def _nobody_writes(
    census: KeyCensus, spelled: Mapping[str, Collection[str]]
) -> Iterator[CheckResult]:
    """Names in a unit's code that are not in Redis while the same words in another order are."""
    there = {stem.rstrip(":") for stem in census.prefixes} | _declared()
    by_words = defaultdict(set)
    for name in there:
        by_words[_words(name)].add(name)
    found = False
    for unit, names in sorted(spelled.items()):
        for name in sorted({name.rstrip(":.") for name in names} - there):
            meant = sorted(by_words.get(_words(name), set()) - {name}) or _known_right(name)
            if not meant or census.is_partial:
                continue
            found = True
            yield CheckResult(
                NAMES,
                f"{name} ({unit})",
                Verdict.FAIL,
                Severity.P1,
                f"its code spells a name that nobody writes; {meant[0]} is there",
                expected=meant[0],
                actual=name,
                meaning="it reads a key that never comes: missing input, whatever it does then",
                fix=f"grep -rn {name} $(systemctl show -P WorkingDirectory {unit})",
            )
    if spelled and not found:
        text = f"the code of {len(spelled)} units spells no name in another order than Redis has it"
        verdict = Verdict.UNKNOWN if census.is_partial else Verdict.PASS
        yield CheckResult(NAMES, "names in code", verdict, Severity.P1, text)


def _known_right(name: str) -> list[str]:
    right = MISSPELLED.get(name) or MISSPELLED.get(f"{name}:")
    return [right] if right else []


def _declared() -> set[str]:
    keys = {key.value.template.partition("{")[0].rstrip(":") for key in Key}
    return keys | {f"stream:{stream.value.name}" for stream in Stream}


def _words(name: str) -> frozenset[str]:
    return frozenset(word for word in name.replace(".", ":").split(":") if word)
