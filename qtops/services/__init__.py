"""Thin shells that carry decisions to and from streams."""
