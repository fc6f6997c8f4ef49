"""Output options may stand anywhere before `--`, and nowhere else are they touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.cli.app import build_root
from qtops.cli.hoist import OUTPUT_OPTIONS, hoist


@pytest.mark.parametrize("option", ["--json", "--quiet", "-q", "--verbose", "-v", "--no-color"])
@pytest.mark.parametrize("place", [0, 1, 2, 4, 6])
def test_an_output_option_may_stand_anywhere(fake, option, place):
    words = ["fake", "works", "--count", "3", "--notes", "x"]
    expected = fake(*words[1:], before=[option])
    words.insert(place, option)
    run = fake(*words[1:], word=words[0])
    assert run.code == 0
    assert run == expected


@pytest.mark.parametrize(
    "argv",
    [
        ["--notes", "--json"],
        ["--notes", "-q"],
        ["--notes=--json"],
        ["--count", "1", "--notes", "--json"],
    ],
)
def test_the_value_of_another_option_stays_a_value(fake, argv):
    run = fake("works", *argv)
    assert run.code == 0
    assert run.out.startswith("✓ operational")
    assert "notes -" in run.out


def test_nothing_after_the_double_dash_is_touched(fake):
    run = fake("leaks", "--", "--json")
    assert not run.out.startswith("{")
    assert "--json" in run.out


def test_a_command_that_passes_words_on_keeps_them_all(fake):
    assert fake("passes", "redis-cli", "--json", "-q").out == "redis-cli --json -q\n"
    assert fake("passes", "-q", "redis-cli", "--json").out == "redis-cli --json\n"


@pytest.mark.parametrize("bundle", ["-qv", "-vq", "-qvn5", "-vn"])
def test_short_flags_may_be_bundled(fake, bundle):
    run = fake("works", bundle, *(["5"] if bundle == "-vn" else []))
    assert run.code == 0
    assert ("count 5" in run.out) == (bundle == "-vn")


def test_an_unknown_bundle_is_left_to_the_parser(fake):
    assert fake("works", "-qz").code == 64


def test_the_value_of_a_global_option_stays_a_value():
    found = hoist(build_root(), ["--profile", "--json", "config", "show", "-q"])
    assert found.rest == ["--profile", "--json", "config", "show"]
    assert found.flags == ["-q"]
    assert found.path == ["config", "show"]


def test_after_an_unknown_word_output_options_still_count():
    found = hoist(build_root(), ["nope", "--json", "x", "--quiet"])
    assert found.flags == ["--json", "--quiet"]


def test_a_lone_dash_is_a_word():
    assert hoist(build_root(), ["config", "show", "-", "-q"]).rest == ["config", "show", "-"]


WORDS = st.lists(
    st.sampled_from(
        [*OUTPUT_OPTIONS, "--", "-", "config", "show", "--profile", "x", "--nope", "-qx", "-h", ""],
    ),
)


@given(WORDS)
def test_no_word_is_lost_or_invented(words):
    found = hoist(build_root(), words)
    assert sorted(found.arguments) == sorted(words)
    rest = iter(words)
    assert all(word in rest for word in found.rest)
