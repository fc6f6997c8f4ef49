"""Correlations of minute returns, aligned by time. Pure numbers: no clock, no I/O.

A return exists where a minute and the minute before it both have a close; a pair is measured over
the minutes in which both have one. Series of different lengths, or with gaps, never slide against
each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qtops.contracts.market import INTERVAL_MS, Kline

PLACES = Decimal("0.000001")
# Below this a deviation of log returns is rounding, and the price stood still.
_STILL = 1e-12


@dataclass(frozen=True, slots=True)
class Correlations:
    """By pair: the correlation where it could be measured, and the returns in common."""

    values: Mapping[frozenset[str], Decimal]
    points: Mapping[frozenset[str], int]


def correlations(series: Mapping[str, Sequence[Kline]], min_points: int) -> Correlations:
    """Pearson correlation of log returns for every pair with `min_points` returns in common.

    A pair with fewer, or with a price that stood still, has no value. Floats end here: results are
    rounded half even to six places, so that a comparison with a threshold is the same everywhere.
    """
    names = sorted(series)
    if len(names) < 2:  # noqa: PLR2004  a pair takes two
        return Correlations({}, {})
    matrix, count = pearson(returns_by_minute([series[name] for name in names]))
    values: dict[frozenset[str], Decimal] = {}
    points: dict[frozenset[str], int] = {}
    for i, j in combinations(range(len(names)), 2):
        pair = frozenset((names[i], names[j]))
        points[pair] = int(count[i, j])
        if points[pair] >= min_points and np.isfinite(matrix[i, j]):
            values[pair] = Decimal(repr(float(matrix[i, j]))).quantize(PLACES)
    return Correlations(values, points)


def returns_by_minute(series: Sequence[Sequence[Kline]]) -> NDArray[Any]:
    """Log returns, one row a series, one column a minute; NaN where there is none."""
    minutes = [kline.open_time_ms // INTERVAL_MS for klines in series for kline in klines]
    if not minutes:
        return np.full((len(series), 0), np.nan)
    first, last = min(minutes), max(minutes)
    closes = np.full((len(series), last - first + 1), np.nan)
    for row, klines in enumerate(series):
        at = [kline.open_time_ms // INTERVAL_MS - first for kline in klines]
        closes[row, at] = [float(kline.close) for kline in klines]
    returns: NDArray[Any] = np.diff(np.log(closes), axis=1)
    return returns


def pearson(returns: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """(correlation, number of common columns) for every pair of rows; NaN where undefined.

    Sums over common columns are products with the mask, so that all pairs take five matrix
    products instead of a loop.
    """
    there = np.isfinite(returns)
    mask = there.astype(float)
    filled = np.where(there, returns, 0.0)
    own = np.maximum(mask.sum(axis=1, keepdims=True), 1.0)
    # Centred by the row's own mean first: the sums below would cancel badly otherwise.
    centred = np.where(there, filled - filled.sum(axis=1, keepdims=True) / own, 0.0)
    count = mask @ mask.T
    some = np.maximum(count, 1.0)
    total = centred @ mask.T
    covariance = centred @ centred.T / some - total * total.T / some**2
    variance = (centred**2) @ mask.T / some - (total / some) ** 2
    moves = (variance > _STILL**2) & (variance.T > _STILL**2)
    scale = np.sqrt(np.where(moves, variance * variance.T, 1.0))
    matrix = np.where(moves, np.clip(covariance / scale, -1.0, 1.0), np.nan)
    return matrix, count.astype(int)
