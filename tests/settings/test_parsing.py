"""A value is clearly one thing or it is refused, with the name, the origin and what is accepted."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtops.errors import ConfigError
from qtops.settings.catalogue import BY_NAME
from qtops.settings.model import Kind, Secret
from qtops.settings.parsing import parse

GOOD = [
    *(("P33_ALLOW_INCREASE", word, True) for word in ("true", "TRUE", "yes", "on", "1", " Yes ")),
    *(("P33_ALLOW_INCREASE", word, False) for word in ("false", "False", "no", "off", "0")),
    ("GOV_MAX_OPEN_POSITIONS", "10", 10),
    ("GOV_MAX_OPEN_POSITIONS", " +7 ", 7),
    ("GOV_MAX_EXEC_PER_HOUR", "0", 0),
    ("P26_H_MIN", "0.05", Decimal("0.05")),
    ("P26_H_MAX", "1", Decimal(1)),
    ("P33_STALE_THRESHOLD_SEC", "0.5", Decimal("0.5")),
    ("QTOPS_RECV_WINDOW_MS", "60000", 60000),
    ("QTOPS_METRICS_PORT_GOVERNOR", "0", 0),
    ("REDIS_PORT", "65535", 65535),
    ("P33_ALLOWLIST", "BTCUSDT, ETHUSDT ,BTCUSDT", ("BTCUSDT", "ETHUSDT")),
    ("P33_ALLOWLIST", "", ()),
    ("P26_MODE", "Enforce", "enforce"),
    ("QTOPS_NAMESPACE", "{quantum}", "{quantum}"),
    ("QTOPS_REDIS_URL", "unix:///run/redis.sock", "unix:///run/redis.sock"),
    ("QTOPS_REDIS_URL", "redis+sentinel://h1,h2/svc/0", "redis+sentinel://h1,h2/svc/0"),
    ("QTOPS_REDIS_URL", "redis+cluster://h1,h2:7001", "redis+cluster://h1,h2:7001"),
    ("BINANCE_API_KEY", " ab # c ", Secret("ab # c")),
]


@pytest.mark.parametrize(("name", "raw", "expected"), GOOD)
def test_a_clear_value_is_taken(name, raw, expected):
    value = parse(BY_NAME[name], raw, "env")
    assert value == expected
    assert type(value) is type(expected)


BAD = [
    *(
        ("P33_ALLOW_INCREASE", word, "is neither yes nor no")
        for word in ("2", "t", "y", "none", "ja", '"true"')
    ),
    ("P33_ALLOW_INCREASE", "", "is empty"),
    ("P33_ALLOW_INCREASE", "true # for now", "has a comment inside its value"),
    ("P26_H_MIN", "0.5\t#x", "has a comment inside its value"),
    ("P33_ALLOWLIST", "BTCUSDT # only", "has a comment inside its value"),
    *(
        ("GOV_MAX_OPEN_POSITIONS", word, "is no whole number")
        for word in ("ten", "1.0", "1_000", "1e3", "0x10", "'5'")
    ),
    ("GOV_MAX_OPEN_POSITIONS", "0", "is too small"),
    ("GOV_MAX_EXEC_PER_HOUR", "-1", "is too small"),
    *(
        ("P26_H_MIN", word, "is no number")
        for word in ("nan", "inf", "1e-3", ".5", "0,5", "1_0.0", "\u0660.\u0665", "1" * 19)
    ),
    ("P26_H_MIN", "-0.1", "is too small"),
    ("P26_H_MAX", "1.01", "is too large"),
    ("GOV_PERMIT_TTL_SECONDS", "0", "is too small"),
    ("QTOPS_RECV_WINDOW_MS", "60001", "is too large"),
    ("REDIS_PORT", "65536", "is too large"),
    ("REDIS_PORT", "0", "is too small"),
    ("P26_MODE", "live", "is not one of the words"),
    ("P33_ALLOWLIST", "A,,B", "has an empty name"),
    ("P33_ALLOWLIST", "A,", "has an empty name"),
    ("P33_ALLOWLIST", "A B", "has a space inside a name"),
    ("QTOPS_REDIS_URL", "localhost:6379", "is no URL of a known kind"),
    ("QTOPS_REDIS_URL", "http://h", "is no URL of a known kind"),
    ("QTOPS_REDIS_URL", "redis://", "is no URL of a known kind"),
    ("QTOPS_REDIS_URL", "redis://[::1", "is no URL"),
    ("QTOPS_EXCHANGE_URL", "", "is empty"),
]


@pytest.mark.parametrize(("name", "raw", "why"), BAD)
def test_anything_else_is_refused_by_name_and_origin(name, raw, why):
    with pytest.raises(ConfigError) as caught:
        parse(BY_NAME[name], raw, "env X")
    assert caught.value.message.startswith(name)
    assert "(env X)" in caught.value.message
    assert why in caught.value.message
    assert caught.value.hint


def test_a_refused_url_hides_its_password():
    with pytest.raises(ConfigError) as caught:
        parse(BY_NAME["QTOPS_REDIS_URL"], "postgres://u:hunter2@h/0", "env")
    assert "hunter2" not in caught.value.message
    assert "u:***@h" in caught.value.message


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(ConfigError) as caught:
        parse(BY_NAME["P26_MODE"], "x" * 5000, "env")
    assert len(caught.value.message) < 200


def test_quotes_that_nobody_stripped_are_pointed_out():
    with pytest.raises(ConfigError) as caught:
        parse(BY_NAME["P26_H_MIN"], '"0.5"', "env")
    assert caught.value.hint.endswith("without quotes")


@given(st.sampled_from(list(BY_NAME.values())), st.text(max_size=30))
def test_any_text_gives_a_value_of_the_kind_or_a_config_error(setting, raw):
    types = {
        Kind.BOOLEAN: bool,
        Kind.INTEGER: int,
        Kind.MILLISECONDS: int,
        Kind.PORT: int,
        Kind.DECIMAL: Decimal,
        Kind.SECONDS: Decimal,
        Kind.NAMES: tuple,
        Kind.SECRET: Secret,
    }
    try:
        value = parse(setting, raw, "env")
    except ConfigError as error:
        assert setting.name in error.message  # noqa: PT017  either outcome is right
    else:
        assert type(value) is types.get(setting.kind, str)
