"""The ports, implemented: Redis, the exchange over HTTP, the host."""
