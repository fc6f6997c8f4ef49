"""Files are TOML; an unknown key, a doubled one or a wrong type is an error that names the file."""

import pytest

from qtops.errors import ConfigError


@pytest.mark.parametrize(
    "text",
    [
        "gov_permit_ttl_seconds = 45",
        "GOV_PERMIT_TTL_SECONDS = 45",
        "[gov]\npermit_ttl_seconds = 45",
        "gov.permit_ttl_seconds = 45",
        'gov_permit_ttl_seconds = "45"',
        "[gov.permit]\nttl_seconds = 45",
    ],
)
def test_a_key_may_be_flat_a_variable_name_or_in_a_table(places, text):
    path = places.write("cwd", text)
    settings = places.load()
    assert settings.milliseconds("GOV_PERMIT_TTL_SECONDS") == 45000
    assert settings.origin("GOV_PERMIT_TTL_SECONDS") == str(path)


@pytest.mark.parametrize("key", ["namespace", "qtops_namespace", "QTOPS_NAMESPACE"])
def test_our_own_settings_need_no_prefix(places, key):
    places.write("cwd", f'{key} = "other"')
    assert places.load().text("QTOPS_NAMESPACE") == "other"


def test_numbers_in_files_are_exact(places):
    places.write("cwd", "p26_h_min = 0.1\np26_h_max = 0.30\n")
    assert str(places.load().decimal("P26_H_MIN")) == "0.1"
    assert str(places.load()["P26_H_MAX"]) == "0.30"


def test_lists_and_booleans_are_toml_too(places):
    places.write("cwd", 'p33_allowlist = ["BTCUSDT", "ETHUSDT"]\np33_allow_increase = true\n')
    assert places.load().names("P33_ALLOWLIST") == ("BTCUSDT", "ETHUSDT")
    assert places.load().boolean("P33_ALLOW_INCREASE") is True


WRONG = [
    ("gov_max_open_position = 1", "unknown key gov_max_open_position", "gov_max_open_positions"),
    ("[profile.p]\np26_mod = 1", "unknown key p26_mod", "p26_mode"),
    ("zzz = 1", "unknown key zzz", "qtops config show"),
    ("p26_a = 1\nP26_A = 1", "P26_A is given twice", ""),
    ("p26_a = 1979-05-27", "p26_a must be a text", ""),
    ("p33_allowlist = [1, 2]", "p33_allowlist must be a text", ""),
    ("p26_a = nan", "p26_a must be a text", ""),
    ("p26_a =", "is not valid TOML", ""),
    ("profile = 1", "profile must be a table", ""),
    ("[profile]\np26_a = 1", "profile must be a table", ""),
    ("gov_max_open_positions = true", "is no whole number", "give a whole number such as 10"),
    ("p33_allow_increase = 2", "is neither yes nor no", "give true"),
]


@pytest.mark.parametrize(("text", "why", "hint"), WRONG)
def test_what_is_wrong_in_a_file_is_named_with_the_file(places, text, why, hint):
    path = places.write("cwd", text)
    with pytest.raises(ConfigError) as caught:
        places.load()
    assert str(path) in caught.value.message
    assert why in caught.value.message
    assert hint in caught.value.hint


def test_bytes_that_are_not_utf8_are_named_with_the_file(places):
    path = places.write("cwd", "")
    path.write_bytes(b"namespace = '\xff'")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        places.load()


def test_a_file_that_cannot_be_read_is_an_error(places, monkeypatch):
    path = places.write("cwd", "")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    with pytest.raises(ConfigError, match=r"cannot read .*qtops.toml: Permission denied"):
        places.load()


def test_a_secret_others_can_read_is_a_warning(places):
    path = places.write("cwd", '[profile.p]\nbinance_api_key = "abcd"\n')
    assert places.load().warnings == ()
    path.chmod(0o644)
    assert places.load().warnings == (
        f"{path} holds a secret and others may read it; chmod 600 {path}",
    )
