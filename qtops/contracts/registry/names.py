"""The registry under one namespace."""

from dataclasses import dataclass

from qtops.contracts.registry.keys import Key
from qtops.contracts.registry.rows import Service
from qtops.contracts.registry.streams import Stream


@dataclass(frozen=True, slots=True)
class Names:
    """The registry under one namespace."""

    namespace: str

    def stream(self, stream: Stream) -> str:
        return f"{self.stream_prefix()}{stream.value.name}"

    def stream_prefix(self) -> str:
        """What the name of every stream, declared or not, starts with."""
        return f"{self.namespace}:stream:"

    def key(self, key: Key, **parts: str) -> str:
        """The full key. A missing part raises KeyError: a template is never half filled."""
        return f"{self.namespace}:{key.value.template.format(**parts)}"

    def prefix(self, key: Key) -> str:
        """What every key of the family starts with."""
        return f"{self.namespace}:{key.value.template.partition('{')[0]}"

    def group(self, stream: Stream, service: Service) -> str:
        """The consumer group through which `service` reads `stream`."""
        spec = next(g for g in stream.value.groups if g.service is service)
        return spec.name.format(namespace=self.namespace)
