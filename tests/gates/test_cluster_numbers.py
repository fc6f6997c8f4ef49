"""Clusters and their stress against numbers worked out by hand (DOMAIN §2.4)."""

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.contracts.risk import ClusterState
from qtops.gates.clusters import clusters_of, connected
from tests.strategies import D

LEAST = D("0.70")


def pairs(text):
    """`AB 0.8, AC 0.1` as correlations by pair."""
    rows = (row.split() for row in text.split(",") if row.strip())
    return {frozenset(pair): D(value) for pair, value in rows}


# notionals, correlations; stress, clusters
HAND = {
    "nothing-held": ({}, "", "0", []),
    # the original gave a book of one position no stress
    "one-position": ({"A": 100}, "", "1", ["A"]),
    "a-flat-one-is-none": ({"A": 100, "B": 0}, "", "1", ["A"]),
    # 1/2 * 1/2 * 1, twice
    "two-apart": ({"A": 100, "B": 100}, "AB 0.69", "0.5", ["A", "B"]),
    # weight 1, net/gross 1, mean (1 + 1 + 2 * 0.7) / 4
    "two-at-the-threshold": ({"A": 100, "B": 100}, "AB 0.70", "0.85", ["AB"]),
    # mean (0.75² + 0.25² + 2 * 0.75 * 0.25 * 0.8) = 0.625 + 0.3
    "unequal": ({"A": 300, "B": 100}, "AB 0.8", "0.925", ["AB"]),
    "two-shorts": ({"A": -300, "B": -100}, "AB 0.8", "0.925", ["AB"]),
    # net 200 of gross 400: half of it
    "a-short-hedges": ({"A": 300, "B": -100}, "AB 0.8", "0.4625", ["AB"]),
    "balanced": ({"A": 100, "B": -100}, "AB 0.9", "0", ["AB"]),
    "negative-correlation-earns-nothing": ({"A": 100, "B": 100}, "AB -0.9", "0.5", ["A", "B"]),
    # A and C hang together by B: mean (3 + 2 * (0.8 + 0.8 + 0.5)) / 9 = 0.8
    "a-chain": ({"A": 1, "B": 1, "C": 1}, "AB 0.8, BC 0.8, AC 0.5", "0.8", ["ABC"]),
    # A quarter of 0.9 and a quarter of 0.95: means (2 + 2 * 0.8) / 4 and (2 + 2 * 0.9) / 4
    "two-pairs": (
        {"A": 1, "B": 1, "C": 1, "D": 1},
        "AB 0.8, CD 0.9, AC 0, AD 0, BC 0, BD 0",
        "0.4625",
        ["AB", "CD"],
    ),
}


def stress(notionals, correlation):
    book = {s: D(n) for s, n in notionals.items()}
    clusters = clusters_of(book, correlation, LEAST)
    return ClusterState(0, {}, clusters).stress, ["".join(c.symbols) for c in clusters]


@pytest.mark.parametrize(("book", "text", "expected", "members"), HAND.values(), ids=HAND.keys())
def test_stress_is_what_the_hand_works_out(book, text, expected, members):
    found, groups = stress(book, pairs(text))
    assert abs(found - D(expected)) < D("1e-20")
    assert groups == members


def test_a_correlation_that_is_not_given_is_a_fault_and_not_a_zero():
    with pytest.raises(KeyError):
        clusters_of({"A": D(1), "B": D(1), "C": D(1)}, pairs("AB 0.9, BC 0.9"), LEAST)


amounts = st.integers(-1000, 1000).map(D)
values = st.decimals(-1, 1, places=2)
books = st.fixed_dictionaries(dict.fromkeys("ABCDE", amounts))
matrices = st.fixed_dictionaries({frozenset(p): values for p in combinations("ABCDE", 2)})


@given(book=books, matrix=matrices, seed=st.integers(0, 99))
def test_the_order_of_the_positions_does_not_matter(book, matrix, seed):
    def shuffled(mapping):
        items = list(mapping.items())
        random.Random(seed).shuffle(items)
        return dict(items)

    found, groups = stress(book, matrix)
    again, same = stress(shuffled(book), shuffled(matrix))
    assert groups == same
    assert abs(found - again) < D("1e-20")
    assert 0 <= found <= 1


@given(book=books, matrix=matrices)
def test_clusters_share_out_the_book_and_are_closed(book, matrix):
    clusters = clusters_of(book, matrix, LEAST)
    held = sorted(s for s, n in book.items() if n)
    assert sorted(s for c in clusters for s in c.symbols) == held
    assert not clusters or abs(sum(c.weight for c in clusters) - 1) < D("1e-20")
    for one, two in combinations(clusters, 2):
        assert all(matrix[frozenset((a, b))] < LEAST for a in one.symbols for b in two.symbols)


@given(book=books, matrix=matrices, more=st.decimals(0, 1, places=2))
def test_a_lower_threshold_never_makes_more_clusters(book, matrix, more):
    few, many = connected(book, matrix, LEAST - more), connected(book, matrix, LEAST)
    assert len(few) <= len(many)


@given(book=books.map(lambda b: {s: abs(n) for s, n in b.items()}), matrix=matrices)
def test_longs_that_move_together_are_never_calmer_than_strangers(book, matrix):
    strangers = dict.fromkeys(matrix, D(0))
    positive = {pair: abs(value) for pair, value in matrix.items()}
    assert stress(book, positive)[0] >= stress(book, strangers)[0] - D("1e-20")
