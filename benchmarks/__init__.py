"""Benchmarks. `python -m benchmarks [NAME…]` prints ratios against a baseline of the same run."""
