"""Facts into Redis: a hash is written whole, with its life, inside the caller's transaction."""

from collections.abc import Mapping
from typing import Any

from qtops.adapters.link import RedisLink
from qtops.contracts.registry import Key


def put_hash(link: RedisLink, pipe: Any, key: Key, fields: Mapping[str, str], **parts: str) -> None:
    """Replace the hash: a field that is no longer there must not be read again."""
    name = link.names.key(key, **parts)
    mapping: dict[Any, Any] = {**fields}
    pipe.delete(name)
    pipe.hset(name, mapping=mapping)
    if key.value.ttl_s is not None:
        pipe.expire(name, key.value.ttl_s)
