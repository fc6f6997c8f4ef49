"""Redis clients with the timeouts each use needs, and their errors in the operator's words.

The library repeats no write: after a stall its default would write twice. A write that timed out
has an unknown outcome; every write here carries its own identity instead.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from redis import exceptions as library
from redis.asyncio import Redis, UnixDomainSocketConnection
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff

from qtops.adapters.redis_url import RedisTarget, mask_url, parse_redis_url
from qtops.errors import RedisError

RedisClient = Redis | RedisCluster
Purpose = Literal["reader", "writer", "blocking"]

CONNECT_TIMEOUT_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 5.0
HEALTH_CHECK_S: Final = 15
_LONGEST_TEXT: Final = 200


class SentinelRedis(Redis):
    """A client of the primary that sentinels name; closing it closes them too."""

    sentinels: Sentinel

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001
        await super().aclose(close_connection_pool)
        await self.sentinels.aclose()


def connect(
    url: str, *, purpose: Purpose, name: str = "qtops", block_s: float = 5.0
) -> RedisClient:
    """A client that has not connected yet; replies are bytes. Close it with `aclose()`.

    Args:
        url: see `redis_url`; ConfigError when it is malformed.
        purpose: `writer` never repeats a command; `reader` repeats once on a broken connection;
            `blocking` waits for answers `block_s` + 5 s and repeats nothing.
        name: shown by CLIENT LIST, with the purpose.
        block_s: the longest BLOCK a blocking client will ask for, in seconds.

    """
    target = parse_redis_url(url)
    common: dict[str, Any] = {
        "username": target.username,
        "password": target.password,
        "client_name": f"{name}:{purpose}",
        "decode_responses": False,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": ANSWER_TIMEOUT_S + (block_s if purpose == "blocking" else 0.0),
        "health_check_interval": HEALTH_CHECK_S,
        "retry": _retry(1 if purpose == "reader" else 0),
    }
    return _BUILDERS[target.kind](target, common)


async def ping_or_explain(client: RedisClient, url: str) -> None:
    """One PING; RedisError says why there is no answer and what to do."""
    with translate_redis_errors(url):
        await client.ping()


@contextmanager
def translate_redis_errors(url: str) -> Iterator[None]:
    """Turns the library's errors into RedisError. `url` is shown without its password."""
    try:
        yield
    except (library.RedisError, library.RedisClusterException) as error:
        raise explain(error, url) from error


def explain(error: Exception, url: str) -> RedisError:
    """The first row of `EXPLANATIONS` that fits."""
    text = " ".join(str(error).split()).partition(" : <")[0]  # sentinel errors append objects
    row = next(row for row in EXPLANATIONS if row.fits(error, text))
    message = f"Redis at {mask_url(url)}: {row.what} ({text[:_LONGEST_TEXT]})"
    return RedisError(message, hint=row.hint, code=row.code)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One kind of failure: our code for it, what it is, what to do, how to recognise it."""

    code: str
    what: str
    hint: str
    kinds: tuple[type[Exception], ...] = (library.RedisError, library.RedisClusterException)
    words: tuple[str, ...] = ()

    def fits(self, error: Exception, text: str) -> bool:
        named = not self.words or any(word in text for word in self.words)
        return named and isinstance(error, self.kinds)


EXPLANATIONS: Final = (
    Explanation(
        "redis_auth",
        "it refused user or password",
        "Check user and password in the Redis URL.",
        (library.AuthenticationError, library.AuthenticationWrongNumberOfArgsError),
    ),
    Explanation(
        "redis_auth",
        "it refused user or password",
        "Check user and password in the Redis URL.",
        words=("WRONGPASS", "NOAUTH", "invalid username-password"),
    ),
    Explanation(
        "redis_permission",
        "its user may not do that",
        "Grant the command and the keys to this user (ACL SETUSER).",
        (library.NoPermissionError, library.AuthorizationError),
    ),
    Explanation(
        "redis_loading",
        "it is still loading its data",
        "Wait until it has read its file, then try again.",
        (library.BusyLoadingError,),
    ),
    Explanation(
        "redis_readonly",
        "it is a replica and takes no writes",
        "Use the primary's address, or redis+sentinel:// to follow it.",
        (library.ReadOnlyError,),
    ),
    Explanation(
        "redis_db",
        "that database does not exist",
        "Check the database number in the Redis URL; a cluster has 0 only.",
        words=("DB index", "SELECT is not allowed"),
    ),
    Explanation(
        "redis_cluster",
        "it is one node of a cluster",
        "Use redis+cluster:// with some of its hosts.",
        (library.AskError,),
    ),
    Explanation(
        "redis_cluster",
        "it is not a cluster",
        "Use redis:// for a single server.",
        words=("cluster support disabled", "Cluster mode is not enabled"),
    ),
    Explanation(
        "redis_sentinel",
        "no sentinel knows a healthy primary",
        "Check the service name and the sentinels' hosts in the Redis URL.",
        (MasterNotFoundError,),
    ),
    Explanation(
        "redis_sentinel",
        "it is not a sentinel",
        "Give the sentinels' addresses (usually port 26379), or use redis://.",
        words=("unknown command 'SENTINEL'",),
    ),
    Explanation(
        "redis_full",
        "it accepts no writes",
        "Free memory or disk on the Redis host; see its log.",
        words=("OOM ", "MISCONF", "used memory > 'maxmemory'"),
    ),
    Explanation(
        "redis_tls",
        "the encrypted connection failed",
        "Check rediss:// against redis://, the port, and ssl_ca_certs in the Redis URL.",
        words=("SSL", "TLS", "CERTIFICATE", "certificate"),
    ),
    Explanation(
        "redis_timeout",
        "it accepted no connection in time",
        "Nothing was sent. Check host, port and network, and rediss:// against redis://.",
        words=("Timeout connecting",),
    ),
    Explanation(
        "redis_timeout",
        "it did not answer in time",
        "A write may have happened all the same. Check the host, its load and the network.",
        (library.TimeoutError,),
    ),
    Explanation(
        "redis_unreachable",
        "it cannot be reached",
        "Is it running, and are host and port in the Redis URL right?",
        words=("connecting to ",),
    ),
    Explanation(
        "redis_cluster",
        "the cluster cannot serve this",
        "Check CLUSTER INFO; keys used together need one {hash tag}, as in the namespace.",
        (library.ClusterError, library.ClusterCrossSlotError, library.RedisClusterException),
    ),
    Explanation(
        "redis_closed",
        "the connection broke",
        "It may be restarting, or expect TLS (rediss://). A write may have happened.",
        (library.ConnectionError,),
    ),
    Explanation(
        "redis_protocol",
        "that does not speak Redis",
        "Is the port in the Redis URL the one of a Redis server?",
        (library.InvalidResponse,),
    ),
    Explanation("redis", "it refused the command", "", (Exception,)),
)


def _retry(times: int) -> Retry:
    return Retry(NoBackoff(), times, supported_errors=(library.ConnectionError,))


def _single(target: RedisTarget, common: dict[str, Any]) -> RedisClient:
    [(host, port)] = target.nodes
    return Redis(host=host, port=port, db=target.db, **_tls(target), **common)


def _unix(target: RedisTarget, common: dict[str, Any]) -> RedisClient:
    client = Redis(unix_socket_path=target.path, db=target.db, **common)
    client.connection_pool.connection_class = _UnixConnection
    return client


class _UnixConnection(UnixDomainSocketConnection):
    """Connects as the library's TCP connection does: greeting and login come afterwards.

    The library's own greets inside; a server that refuses or hangs up then makes it connect again
    from within, without end.
    """

    async def _connect(self) -> None:
        async with asyncio.timeout(self.socket_connect_timeout):
            self._reader, self._writer = await asyncio.open_unix_connection(path=self.path)


def _sentinel(target: RedisTarget, common: dict[str, Any]) -> RedisClient:
    of_sentinels = {
        "username": target.options.get("sentinel_username"),
        "password": target.options.get("sentinel_password"),
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": ANSWER_TIMEOUT_S,
        "retry": _retry(0),
        **_tls(target),
    }
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        target.nodes, sentinel_kwargs=of_sentinels
    )
    client: SentinelRedis = sentinels.master_for(
        target.service, redis_class=SentinelRedis, db=target.db, **_tls(target), **common
    )
    client.sentinels = sentinels
    return client


def _cluster(target: RedisTarget, common: dict[str, Any]) -> RedisClient:
    nodes = [ClusterNode(host, port) for host, port in target.nodes]
    return RedisCluster(startup_nodes=nodes, **_tls(target), **common)


_BUILDERS: Final[Mapping[str, Callable[[RedisTarget, dict[str, Any]], RedisClient]]] = {
    "single": _single,
    "unix": _unix,
    "sentinel": _sentinel,
    "cluster": _cluster,
}


def _tls(target: RedisTarget) -> dict[str, Any]:
    """Certificates are checked unless the URL says `ssl_cert_reqs=none`."""
    if not target.tls:
        return {}
    found: dict[str, Any] = {
        name: value for name, value in target.options.items() if name.startswith("ssl_")
    }
    if "ssl_check_hostname" in found:
        found["ssl_check_hostname"] = found["ssl_check_hostname"].lower() in {"1", "true", "yes"}
    return {"ssl": True, **found}
