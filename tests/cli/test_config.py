"""`qtops config` shows values with their origin, secrets masked."""

import pytest


def test_every_setting_is_shown_with_its_origin(shell):
    run = shell("config", "show", environ={"GOV_MAX_OPEN_POSITIONS": "7"})
    assert run.code == 0
    assert "settings   1 not at their default" in run.out.splitlines()[0]
    row = next(line for line in run.out.splitlines() if "GOV_MAX_OPEN_POSITIONS" in line)
    assert row.split() == ["GOV_MAX_OPEN_POSITIONS", "7", "env", "GOV_MAX_OPEN_POSITIONS"]


def test_only_changed_leaves_defaults_out(shell):
    run = shell("config", "show", "--only-changed", "--json", environ={"P33_COOLDOWN_SEC": "9"})
    assert run.document["settings"] == [
        {"name": "P33_COOLDOWN_SEC", "value": "9", "origin": "env P33_COOLDOWN_SEC"},
    ]


def test_names_choose(shell):
    document = shell("config", "show", "P26_MODE", "P26_A", "--json").document
    assert [row["name"] for row in document["settings"]] == ["P26_MODE", "P26_A"]
    assert document["schema"] == "qtops.config/v1"


def test_an_unknown_name_is_a_usage_error_with_the_closest(shell):
    run = shell("config", "show", "P26_MOD")
    assert run.code == 64
    assert "did you mean P26_MODE?" in run.err


@pytest.mark.parametrize("mode", [[], ["--json"]])
def test_secrets_are_masked(shell, mode):
    environ = {"BINANCE_API_SECRET": "hunter2", "QTOPS_REDIS_URL": "redis://u:opensesame@h"}
    run = shell("config", "show", *mode, environ=environ)
    assert "hunter2" not in run.out
    assert "opensesame" not in run.out
    assert "redis://u:***@h" in run.out


def test_the_redis_option_is_the_strongest(shell):
    run = shell(
        *("--redis", "redis://opt:1/0", "config", "show", "QTOPS_REDIS_URL", "--json"),
        environ={"QTOPS_REDIS_URL": "redis://env:1/0"},
    )
    assert run.document["settings"][0]["value"] == "redis://opt:1/0"
    assert run.document["settings"][0]["origin"] == "option --redis"


def test_profile_and_config_options_reach_the_files(shell):
    other = shell.home / "other.toml"
    other.write_text('[profile.live]\np26_mode = "enforce"\n')
    run = shell("--config", str(other), "--profile", "live", "config", "show", "P26_MODE", "--json")
    assert run.document["settings"][0]["origin"] == f"{other} [profile.live]"


def test_a_wrong_setting_is_one_line_that_names_its_origin(shell):
    run = shell("config", "show", environ={"P33_ALLOW_INCREASE": "maybe"})
    assert run.code == 1
    assert run.err == (
        "error: P33_ALLOW_INCREASE='maybe' (env P33_ALLOW_INCREASE) is neither yes nor no; "
        "next: give true, yes, on, 1 or false, no, off, 0\n"
    )


def test_a_misspelled_variable_is_a_warning(shell):
    run = shell("config", "show", "-q", environ={"QTOPS_REDIS_ULR": "x"})
    assert run.code == 0
    assert run.err == (
        "! warning:   QTOPS_REDIS_ULR is set but is no setting; did you mean QTOPS_REDIS_URL?\n"
    )


def test_operators_variables_that_nothing_reads_are_listed(shell):
    environ = {"P33_POLL_SEC": "5", "GRAFANA_NO_SUCH": "x"}
    run = shell("config", "show", environ=environ)
    assert "set, but nothing here reads: P33_POLL_SEC" in run.out
    assert "GRAFANA_NO_SUCH" not in run.out + run.err


def test_path_lists_the_files(shell):
    (shell.home / "work/qtops.toml").write_text("")
    run = shell("config", "path")
    assert run.out.startswith("✓ 1 of 3 settings files present")
    document = shell("config", "path", "--json").document
    assert [file["present"] for file in document["files"]] == [False, False, True]
