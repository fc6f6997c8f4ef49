"""The exchange's outside: HTTP, credentials, limits, faults, journal, control interface."""
