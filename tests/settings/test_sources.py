"""The strongest source that gives a value wins, and the value knows which it was."""

from itertools import combinations

import pytest

from qtops.errors import ConfigError

NAME = "GOV_MAX_OPEN_POSITIONS"
SOURCES = [
    "etc",
    "home",
    "cwd",
    "etc [profile.p]",
    "home [profile.p]",
    "cwd [profile.p]",
    "env",
    "option",
]


def given(places, chosen: list[str]):
    """Settings where each chosen source gives its own rank as the value."""
    for file in ("etc", "home", "cwd"):
        lines = []
        if file in chosen:
            lines.append(f"gov_max_open_positions = {SOURCES.index(file) + 1}")
        if f"{file} [profile.p]" in chosen:
            rank = SOURCES.index(f"{file} [profile.p]") + 1
            lines += ["[profile.p]", f"gov_max_open_positions = {rank}"]
        places.write(file, "\n".join(lines))
    environ = {NAME: str(SOURCES.index("env") + 1)} if "env" in chosen else {}
    option = (str(SOURCES.index("option") + 1), "option --set")
    return places.load(
        environ,
        profile="p" if any("profile" in source for source in chosen) else None,
        overrides={NAME: option} if "option" in chosen else None,
    )


PAIRS = [*([one] for one in SOURCES), *(list(pair) for pair in combinations(SOURCES, 2)), SOURCES]


@pytest.mark.parametrize("chosen", PAIRS, ids=" + ".join)
def test_the_strongest_source_wins(places, chosen):
    settings = given(places, chosen)
    winner = chosen[-1]
    assert settings.integer(NAME) == SOURCES.index(winner) + 1
    origin = settings.origin(NAME)
    file, _, profile = winner.partition(" ")
    match file:
        case "env":
            assert origin == f"env {NAME}"
        case "option":
            assert origin == "option --set"
        case _:
            path = places.write(file, "")
            assert origin == f"{path} {profile}".strip()


def test_without_any_source_the_default_holds(places):
    settings = places.load()
    assert settings.integer(NAME) == 10
    assert settings.origin(NAME) == "default"
    assert all(entry.origin == "default" for entry in settings.items())


def test_a_profile_can_be_chosen_by_the_environment_but_the_option_wins(places):
    places.write("cwd", '[profile.a]\np26_mode = "enforce"\n[profile.b]\n')
    assert places.load({"QTOPS_PROFILE": "a"}).text("P26_MODE") == "enforce"
    assert places.load({"QTOPS_PROFILE": "a"}, profile="b").text("P26_MODE") == "shadow"


def test_a_profile_nobody_wrote_is_an_error_that_lists_the_others(places):
    places.write("cwd", "[profile.live]\n[profile.demo]\n")
    with pytest.raises(ConfigError, match=r"no settings file has a profile liv$") as caught:
        places.load(profile="liv")
    assert caught.value.hint == "one of demo, live"


@pytest.mark.parametrize("how", ["option", "env"])
def test_a_named_file_replaces_the_usual_ones(places, how):
    places.write("cwd", "p26_a = 0.1\ngov_max_open_positions = 3\n")
    other = places.root / "other.toml"
    other.write_text("p26_a = 0.2\n")
    if how == "option":
        settings = places.load(config_path=str(other))
    else:
        settings = places.load({"QTOPS_CONFIG": str(other)})
    assert settings.origin("P26_A") == str(other)
    assert settings.integer(NAME) == 10


def test_a_named_file_must_exist(places):
    with pytest.raises(ConfigError, match=r"there is no settings file .*nope.toml"):
        places.load(config_path="nope.toml")


def test_files_lists_where_it_looked(places):
    path = places.write("home", "")
    listed = places.load().files
    assert [is_there for _, is_there in listed] == [False, True, False]
    assert listed[1][0] == str(path)


def test_an_old_name_is_read_and_named_as_origin(places):
    settings = places.load({"BINANCE_TESTNET_KEY": "abcd"})
    assert settings.secret("BINANCE_TESTNET_API_KEY").reveal() == "abcd"
    assert settings.origin("BINANCE_TESTNET_API_KEY") == "env BINANCE_TESTNET_KEY"


def test_an_old_name_that_disagrees_is_refused(places):
    same = {"BINANCE_TESTNET_KEY": "abcd", "BINANCE_TESTNET_API_KEY": "abcd"}
    assert places.load(same).origin("BINANCE_TESTNET_API_KEY") == "env BINANCE_TESTNET_API_KEY"
    with pytest.raises(ConfigError, match="are both set and differ") as caught:
        places.load(same | {"BINANCE_TESTNET_KEY": "other"})
    assert "other" not in str(caught.value)


def test_unknown_qtops_variables_are_warnings_with_a_suggestion(places):
    environ = {
        "QTOPS_NAMSPACE": "x",
        "QTOPS_PROFIL": "x",
        "QTOPS_ZZZ": "x",
        "UNIVERSE_MAX": "1",
        "APPLY_MODE": "x",
        "EXIT_NO_SUCH": "x",
        "GOV_NO_SUCH": "1",
    }
    assert places.load(environ).warnings == (
        "QTOPS_NAMSPACE is set but is no setting; did you mean QTOPS_NAMESPACE?",
        "QTOPS_PROFIL is set but is no setting; did you mean QTOPS_PROFILE?",
        "QTOPS_ZZZ is set but is no setting; qtops config show",
    )


def test_operators_variables_that_nothing_reads_are_kept_apart(places):
    environ = {"GOV_NO_SUCH": "1", "UNIVERSE_MAX": "1", "GOV_MAX_OPEN_POSITIONS": "1", "HOME": "/"}
    assert places.load(environ).unread == ("GOV_NO_SUCH",)
