"""Evidence that something really happened, checked against the exchange."""
