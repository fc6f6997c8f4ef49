"""Everything needed to run the system on one machine: Redis, exchange, supervisor."""
