"""Built-in scenarios, and what a file may say."""

from decimal import Decimal

import pytest

from qtops.errors import ConfigError
from qtops.sandbox.exchange.scenario import BUILT_IN, ExchangeScenario, load_scenario

HELD = {"exit-proof": 1, "exit-proof-short": -1}


@pytest.mark.parametrize(("name", "sign"), HELD.items())
def test_the_exit_proof(name, sign):
    start = load_scenario(name)
    assert {p.symbol: p.amount * sign for p in start.positions} == {
        "TRXUSDT": Decimal(17889),
        "ETHUSDT": Decimal("6.678"),
    }
    assert start.symbols["TRXUSDT"] == Decimal("0.30")
    assert start.symbols["BTCUSDT"] == 88_000


@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - set(HELD)))
def test_the_flat_ones(name):
    assert load_scenario(name).positions == ()


def test_credentials_are_new_each_time_and_hidden():
    first, second = load_scenario("empty"), load_scenario("empty")
    assert first.api_key != second.api_key
    assert first.api_secret != second.api_secret
    assert first.api_secret not in repr(first)


def test_a_file(tmp_path):
    path = tmp_path / "thin.toml"
    path.write_text(
        """
        wallet_balance = "250.5"
        leverage = 5
        hedge_mode = true
        latency_ms = 20
        api_key = "key"
        [symbols]
        ETHUSDT = 3000.1
        [[positions]]
        symbol = "ETHUSDT"
        amount = "-0.5"
        """
    )
    start = load_scenario(str(path))
    assert isinstance(start, ExchangeScenario)
    assert (start.name, start.api_key, start.leverage) == ("thin", "key", 5)
    assert (start.wallet_balance, start.hedge_mode) == (Decimal("250.5"), True)
    (held,) = start.positions
    assert (held.amount, held.entry_price) == (Decimal("-0.5"), Decimal("3000.1"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("surprise = 1", "surprise"),
        ("leverage = 0", "leverage"),
        ("leverage = true", "leverage"),
        ("hedge_mode = 1", "hedge_mode"),
        ("latency_ms = -1", "latency_ms"),
        ("api_key = ''", "api_key"),
        ("wallet_balance = 'much'", "balance"),
        ("symbols = 1", "symbols"),
        ("symbols = { NOSUCH = 1 }", "NOSUCH"),
        ("symbols = { ETHUSDT = 0 }", "ETHUSDT"),
        ("positions = 1", "positions"),
        ("positions = [{ symbol = 'ETHUSDT' }]", "amount"),
        ("positions = [{ symbol = 'ETHUSDT', amount = 1, size = 2 }]", "positions"),
        ("positions = [{ symbol = 'ETHUSDT', amount = false }]", "amount"),
        ("not toml", "TOML"),
    ],
)
def test_what_a_file_may_not_say(tmp_path, text, said):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_scenario(str(path))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError) as caught:
        load_scenario("nonsense")
    assert "exit-proof" in caught.value.hint
