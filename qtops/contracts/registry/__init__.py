"""Every Redis name there is: its type, its one writer, its readers, how long it lives.

No module outside this package spells a name. `Names` binds the registry to a namespace (`quantum`,
or a hash tag such as `{quantum}` on a cluster). `docs/contracts.md` is generated from these rows.
"""

from qtops.contracts.registry.keys import (
    GATE_SERVICES,
    HEARTBEAT_TTL_S,
    PERMIT_KEYS,
    PERMIT_TTL_S,
    Key,
)
from qtops.contracts.registry.names import Names
from qtops.contracts.registry.rows import GroupSpec, KeySpec, Service, StreamSpec
from qtops.contracts.registry.streams import Stream

__all__ = [
    "GATE_SERVICES",
    "HEARTBEAT_TTL_S",
    "PERMIT_KEYS",
    "PERMIT_TTL_S",
    "GroupSpec",
    "Key",
    "KeySpec",
    "Names",
    "Service",
    "Stream",
    "StreamSpec",
]
