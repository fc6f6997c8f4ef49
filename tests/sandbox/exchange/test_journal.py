"""What is on disk outlives the process, whatever ended it."""

import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from qtops.errors import ConfigError, HostError
from qtops.sandbox.exchange.core.state import MarkChange
from qtops.sandbox.exchange.rest.journal import Journal
from tests.sandbox.exchange.conftest import KEY, SECRET, Api, running_exchange, scenario

CHANGE = MarkChange("ETHUSDT", Decimal("2950.10"), 1)
SERVER = """
import asyncio, sys
from pathlib import Path
from tests.sandbox.exchange.conftest import scenario
from qtops.sandbox.exchange.server import serve
asyncio.run(serve(scenario(), journal=Path(sys.argv[1]), on_ready=lambda u: print(u, flush=True)))
"""


def start_server(path):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    return process, process.stdout.readline().strip()


def everything(api):
    """All that a client can see, apart from clocks and rate limits."""
    return [
        api.control("GET", "orders").json(),
        api.signed("GET", "/v2/positionRisk").json(),
        api.signed("GET", "/v3/balance").json(),
        api.signed("GET", "/v1/openOrders").json(),
        api.signed("GET", "/v1/userTrades", symbol="ETHUSDT").json(),
        api.signed("GET", "/v1/income").json(),
        api.signed("GET", "/v1/symbolConfig").json(),
    ]


def test_everything_survives_kill_9(tmp_path):
    path = tmp_path / "journal"
    process, url = start_server(path)
    with process, httpx.Client(base_url=url) as http:
        api = Api(http)
        api.market("ETHUSDT", "SELL", "3.339", reduceOnly="true", newClientOrderId="exit")
        api.limit("BTCUSDT", "BUY", "0.01", "85000", newClientOrderId="rests")
        api.limit("BTCUSDT", "BUY", "100", "85000")
        api.signed("POST", "/v1/leverage", symbol="BTCUSDT", leverage=7)
        api.control("POST", "prices", symbol="TRXUSDT", mark_price="0.31")
        api.control("POST", "balance", available="5000")
        before = everything(api)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    process, url = start_server(path)
    with process, httpx.Client(base_url=url) as http:
        api = Api(http)
        try:
            assert everything(api) == before
            twice = api.limit("BTCUSDT", "BUY", "0.01", "85000", newClientOrderId="rests")
            assert twice.json()["code"] == -4116
            order = api.market("ETHUSDT", "SELL", "3.339", reduceOnly="true").json()
            assert order["orderId"] > max(o["orderId"] for o in before[0]["orders"])
            assert api.control("GET", "orders").json()["requests_received"] == 5
        finally:
            process.kill()


def test_an_unfinished_line_is_cut_off(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path)
    assert journal.load() == []
    journal.append([CHANGE])
    journal.close()
    with path.open("ab") as file:
        file.write(b'[{"record":"MarkCh')
    journal = Journal(path)
    assert journal.load() == [CHANGE]
    journal.append([CHANGE])
    journal.close()
    journal = Journal(path)
    assert journal.load() == [CHANGE, CHANGE]
    journal.close()


@pytest.mark.parametrize(
    "content",
    [b"nonsense\n", b'{"qtops_exchange_journal":2}\n', b'{"qtops_exchange_journal":1}\n[{}]\n'],
)
def test_a_damaged_journal_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "journal"
    path.write_bytes(content)
    journal = Journal(path)
    with pytest.raises(ConfigError, match="damaged"):
        journal.load()
    journal.close()
    assert path.read_bytes() == content


def test_a_journal_has_one_writer(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path)
    with pytest.raises(HostError):
        Journal(path)
    journal.close()


def test_credentials_are_not_written(tmp_path):
    path = tmp_path / "deep" / "journal"
    with running_exchange(scenario(), journal=path) as url, httpx.Client(base_url=url) as http:
        assert Api(http).market("ETHUSDT", "SELL", "1").json()["status"] == "FILLED"
    text = path.read_text()
    assert "ETHUSDT" in text
    assert KEY not in text
    assert SECRET not in text
