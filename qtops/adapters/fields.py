"""Small conversions between mappings and Redis argument lists."""

from collections.abc import Mapping


def flatten(fields: Mapping[str, str]) -> list[str]:
    """{a: 1, b: 2} as [a, 1, b, 2]."""
    return [part for pair in fields.items() for part in pair]
