"""Redis URLs as data. Pure; no message made here shows a password.

redis://[user:password@]host:port/db        rediss:// the same over TLS
unix://[user:password@]/path?db=0
redis+sentinel://[user:password@]h1:p,h2/service/db     rediss+sentinel://
redis+cluster://[user:password@]h1:p,h2                 rediss+cluster://
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from qtops.errors import ConfigError

Kind = Literal["single", "unix", "sentinel", "cluster"]

_SCHEMES: Final[Mapping[str, tuple[Kind, bool]]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("unix", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_PORTS: Final[Mapping[Kind, int]] = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_TLS_OPTIONS: Final = frozenset(
    {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
)
_SENTINEL_OPTIONS: Final = frozenset({"sentinel_username", "sentinel_password"})
_NODE: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+)(:(?P<port>[0-9]{1,5}))?")
_HIGHEST_PORT: Final = 65_535
_SECRET_OPTION: Final = re.compile(r"(password=)[^&]*", re.IGNORECASE)
_ENCODE_HINT: Final = "Percent-encode / ? # @ in a password."


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """Where Redis is: `nodes` are (host, port), `options` the URL's TLS and sentinel options."""

    kind: Kind
    nodes: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    options: Mapping[str, str] = field(default_factory=dict, repr=False)


def mask_url(url: str) -> str:
    """The URL without its passwords, fit to be shown; safe for malformed URLs too."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***" if "@" in url else _hide_options(url)
    userinfo, at, tail = rest.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    shown = f"{user}:***@" if colon else "***@" if at else ""
    return f"{scheme}://{shown}{_hide_options(tail)}"


def _hide_options(text: str) -> str:
    return _SECRET_OPTION.sub(r"\1***", text)


def parse_redis_url(url: str) -> RedisTarget:
    """ConfigError names what is wrong with the URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        _refuse(url, "it cannot be parsed")
    if parts.scheme not in _SCHEMES:
        _refuse(url, "its scheme is unknown", f"Known: {', '.join(_SCHEMES)}.")
    if parts.fragment:
        _refuse(url, "it has a #fragment", _ENCODE_HINT)
    kind, tls = _SCHEMES[parts.scheme]
    options = _options(url, parts.query)
    path_db, service, path = _path(url, kind, parts)
    userinfo, _, hosts = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    target = RedisTarget(
        kind=kind,
        nodes=() if kind == "unix" else _nodes(url, hosts, _PORTS[kind]),
        path=path,
        service=service,
        db=_db(url, path_db, options.pop("db", "")),
        username=unquote(username) or None,
        password=unquote(password) or None,
        tls=tls,
        options=options,
    )
    _check(url, target)
    return target


def _path(url: str, kind: Kind, parts: SplitResult) -> tuple[str, str, str]:
    """(database, service, socket path) as far as this kind of URL has them in its path."""
    if kind == "unix":
        return "", "", unquote(parts.path)
    words = [unquote(word) for word in parts.path.split("/") if word]
    service = words.pop(0) if kind == "sentinel" and words else ""
    if len(words) > 1:
        _refuse(url, "its path has too many parts", _ENCODE_HINT)
    return words[0] if words else "", service, ""


def _options(url: str, query: str) -> dict[str, str]:
    known = _TLS_OPTIONS | _SENTINEL_OPTIONS | {"db"}
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(options) - known)
    if unknown:
        _refuse(url, "it has an unknown option", f"Known: {', '.join(sorted(known))}.")
    return options


def _nodes(url: str, hosts: str, default_port: int) -> tuple[tuple[str, int], ...]:
    found = []
    for word in hosts.split(",") if hosts else []:
        match = _NODE.fullmatch(word.strip())
        port = int(match["port"] or default_port) if match else 0
        if match is None or not 0 < port <= _HIGHEST_PORT:
            _refuse(url, "a host or port in it is malformed", _ENCODE_HINT)
        found.append((unquote(match["host"].strip("[]")), port))
    if not found:
        _refuse(url, "it names no host")
    return tuple(found)


def _db(url: str, in_path: str, in_query: str) -> int:
    word = in_path or in_query or "0"
    if (in_path and in_query) or not (word.isascii() and word.isdecimal()):
        _refuse(url, "its database is not one whole number", "For example …:6379/0")
    return int(word)


def _check(url: str, target: RedisTarget) -> None:
    """What only the whole shows."""
    if target.kind == "unix" and not target.path:
        _refuse(url, "it names no socket", "For example unix:///run/redis/redis.sock?db=0")
    if target.kind == "single" and len(target.nodes) > 1:
        _refuse(url, "it names several hosts", "Use redis+sentinel:// or redis+cluster://.")
    if target.kind == "sentinel" and not target.service:
        _refuse(url, "it names no service", "For example redis+sentinel://h1,h2/mymaster/0")
    if target.kind == "cluster" and target.db:
        _refuse(url, "a cluster has database 0 only")
    if not target.tls and _TLS_OPTIONS & set(target.options):
        _refuse(url, "it has TLS options without TLS", "Use rediss://.")
    if target.kind != "sentinel" and _SENTINEL_OPTIONS & set(target.options):
        _refuse(url, "it has sentinel options without a sentinel")


def _refuse(url: str, why: str, hint: str = "") -> NoReturn:
    raise ConfigError(f"the Redis URL {mask_url(url)!r} is not usable: {why}", hint=hint)
