"""Derived and contradictory values, typed reading, and secrets that stay secret."""

from decimal import Decimal

import pytest

from qtops.errors import ConfigError, UsageError
from qtops.settings.catalogue import BY_NAME, BY_TOML_KEY, ORDERED, SETTINGS
from qtops.settings.model import Kind, Secret, without_password
from qtops.settings.reference import settings_reference
from qtops.settings.secrets import secrets_in

REDIS = "QTOPS_REDIS_URL"


@pytest.mark.parametrize(
    ("environ", "url", "origin"),
    [
        ({}, "redis://127.0.0.1:6379/0", "default"),
        ({"REDIS_HOST": "h"}, "redis://h:6379/0", "env REDIS_HOST"),
        ({"REDIS_PORT": "7", "REDIS_DB": "3"}, None, "env REDIS_PORT, env REDIS_DB"),
        ({"REDIS_HOST": "::1"}, "redis://[::1]:6379/0", "env REDIS_HOST"),
        ({"REDIS_PASSWORD": "a@b/c"}, "redis://:a%40b%2Fc@127.0.0.1:6379/0", "env REDIS_PASSWORD"),
        ({"REDIS_HOST": "h", REDIS: "redis://u/1"}, "redis://u/1", f"env {REDIS}"),
    ],
)
def test_the_redis_url_wins_over_its_parts(places, environ, url, origin):
    settings = places.load(environ)
    assert settings.text(REDIS) == (url or "redis://127.0.0.1:7/3")
    assert settings.origin(REDIS) == origin


def test_a_redis_url_from_the_weakest_file_still_wins_over_parts(places):
    places.write("etc", 'redis_url = "redis://etc:1/0"')
    assert places.load({"REDIS_HOST": "h"}).text(REDIS) == "redis://etc:1/0"


@pytest.mark.parametrize(
    ("environ", "url", "origin"),
    [
        ({}, "https://demo-fapi.binance.com", "default"),
        (
            {"BINANCE_USE_TESTNET": "false"},
            "https://fapi.binance.com",
            "BINANCE_USE_TESTNET, env BINANCE_USE_TESTNET",
        ),
        (
            {"BINANCE_USE_TESTNET": "false", "QTOPS_EXCHANGE_URL": "http://127.0.0.1:8"},
            "http://127.0.0.1:8",
            "env QTOPS_EXCHANGE_URL",
        ),
    ],
)
def test_the_exchange_follows_the_testnet_switch(places, environ, url, origin):
    settings = places.load(environ)
    assert settings.text("QTOPS_EXCHANGE_URL") == url
    assert settings.origin("QTOPS_EXCHANGE_URL") == origin


@pytest.mark.parametrize(("low", "high"), ORDERED)
@pytest.mark.parametrize("equal", [True, False])
def test_contradictions_name_both_settings_and_origins(places, low, high, equal):
    settings = places.load()
    same = str(settings.decimal(low))
    environ = {low: same, high: same if equal else "0.01"}
    with pytest.raises(ConfigError, match=f"{low}={same} .env {low}. must be below {high}="):
        places.load(environ)


def test_values_are_read_by_type(places):
    settings = places.load()
    assert settings.text("QTOPS_NAMESPACE") == "quantum"
    assert settings.integer("INTENT_EXECUTOR_MAX_CONCURRENCY") == 16
    assert settings.decimal("P26_A") == Decimal("0.60")
    assert settings.boolean("BINANCE_USE_TESTNET") is True
    assert settings.names("P33_ALLOWLIST") == ("BTCUSDT", "ETHUSDT", "TRXUSDT")
    assert settings.secret("QTOPS_PERMIT_KEY") == Secret("")
    assert settings["P26_MODE"] == "shadow"
    assert "P26_MODE" in settings
    assert settings.milliseconds("P33_STALE_THRESHOLD_SEC") == 10_000
    assert settings.milliseconds("QTOPS_RECV_WINDOW_MS") == 5000


@pytest.mark.parametrize(
    ("getter", "name"),
    [
        ("text", "GOV_MAX_OPEN_POSITIONS"),
        ("integer", "BINANCE_USE_TESTNET"),
        ("text", "QTOPS_PERMIT_KEY"),
        ("milliseconds", "GOV_MAX_OPEN_POSITIONS"),
        ("boolean", "P26_MODE"),
    ],
)
def test_reading_by_the_wrong_type_is_a_bug(places, getter, name):
    with pytest.raises(TypeError, match=name):
        getattr(places.load(), getter)(name)


def test_reading_an_undeclared_setting_is_an_error(places):
    with pytest.raises(UsageError, match="there is no setting NOPE"):
        places.load()["NOPE"]


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret("hunter2")
    assert f"{secret} {secret!r} {[secret]}" == "*** Secret('***') [Secret('***')]"
    assert secret.reveal() == "hunter2"
    assert secret
    assert not Secret("")
    assert str(Secret("")) == ""
    assert {secret: 1}[Secret("hunter2")] == 1
    assert secret != "hunter2"


def test_every_secret_in_force_is_known_for_masking(places):
    environ = {"BINANCE_API_SECRET": "one", "QTOPS_REDIS_URL": "redis://u:tw%6F@h"}
    assert places.load(environ).secret_values() == {"one", "tw%6F", "two"}


def test_secrets_are_found_in_a_broken_environment():
    environ = {"REDIS_PASSWORD": " one ", "BINANCE_TESTNET_SECRET": "two", "P26_A": "x", "A": "b"}
    assert secrets_in(environ) == {"one", "two"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://u@h", "redis://u@h"),
        ("redis://u:p@h", "redis://u:***@h"),
        ("redis://:p@x@h", "redis://:***@h"),
    ],
)
def test_a_shown_url_has_no_password(url, shown):
    assert without_password(url) == shown


def test_the_catalogue_is_sound():
    names = [setting.name for setting in SETTINGS]
    assert len(set(names)) == len(names) == len(BY_TOML_KEY)
    for setting in SETTINGS:
        assert setting.help.endswith(".")
        assert setting.readers
        assert setting.family == setting.name.split("_")[0]
        assert (setting.kind in {Kind.CHOICE, Kind.URL}) == bool(setting.choices)
        assert setting.kind is not Kind.SECRET or not setting.default


def test_ports_are_distinct():
    ports = [setting.default for setting in SETTINGS if setting.name.startswith("QTOPS_METRICS_P")]
    assert len(set(ports)) == len(ports) == 6


def test_the_reference_has_every_setting():
    page = settings_reference()
    assert all(f"| `{name}`" in page for name in BY_NAME)
