"""Clusters (P2.7): positions that move together, and the stress they add up to.

    cluster        = symbols connected by correlations of at least 0.70
    weight         = gross notional of the cluster / gross notional of the book
    concentration  = |net notional of the cluster| / gross notional of the book
    correlation    = mean over all pairs of the cluster, each weighted by both notionals; a symbol
                     with itself is a pair, at 1
    stress         = clamp(sum of weight * concentration * correlation, 0, 1)

Source: DOMAIN §2.4. The original gave a single symbol a correlation of 0, so that a book of one
position had no stress at all; with the pairs of a symbol with itself it has all of it, and for a
book of longs the stress is the sum of w_i * w_j * rho_ij inside the clusters. A long and a short of
correlated symbols hedge: they meet in the net. Negative correlation earns nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import combinations

from qtops.contracts.risk import Cluster
from qtops.contracts.values import ZERO

ONE = Decimal(1)
Pair = frozenset[str]


def connected(
    symbols: Iterable[str], correlation: Mapping[Pair, Decimal], least: Decimal
) -> list[tuple[str, ...]]:
    """Connected components by correlations of at least `least`, each sorted, in order."""
    group = {symbol: {symbol} for symbol in symbols}
    for pair, value in correlation.items():
        if value < least or not pair <= group.keys():
            continue
        one, two = pair
        if group[one] is not group[two]:
            merged = group[one] | group[two]
            group.update(dict.fromkeys(merged, merged))
    return sorted({tuple(sorted(members)) for members in group.values()})


def clusters_of(
    notionals: Mapping[str, Decimal], correlation: Mapping[Pair, Decimal], least: Decimal
) -> tuple[Cluster, ...]:
    """The clusters of a book of signed notionals (USDT by symbol); none of an empty one.

    Raises KeyError when the correlation of a pair is not given: an invented one would be a fault.
    """
    held = {symbol: n for symbol, n in notionals.items() if n != ZERO}
    gross = sum((abs(n) for n in held.values()), ZERO)
    return tuple(
        _cluster(members, held, gross, correlation)
        for members in connected(held, correlation, least)
    )


def _cluster(
    members: Sequence[str],
    held: Mapping[str, Decimal],
    gross: Decimal,
    correlation: Mapping[Pair, Decimal],
) -> Cluster:
    size = {symbol: abs(held[symbol]) for symbol in members}
    total = sum(size.values(), ZERO)
    own = sum((s * s for s in size.values()), ZERO)
    pairs = sum(
        (2 * size[a] * size[b] * correlation[frozenset((a, b))] for a, b in combinations(size, 2)),
        ZERO,
    )
    mean = min(max((own + pairs) / (total * total), ZERO), ONE)
    net = abs(sum((held[symbol] for symbol in members), ZERO))
    return Cluster(tuple(members), total / gross, net / gross, mean)
