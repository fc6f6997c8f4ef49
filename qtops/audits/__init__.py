"""Read-only questions about the running system."""
