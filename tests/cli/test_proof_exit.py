"""`qtops proof exit` as an operator runs it: real processes against real sandboxes."""

import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

QTOPS = [sys.executable, "-P", "-m", "qtops"]
PATIENCE_S = 50
LEASE_S = 15
GATES_WITHOUT_GOVERNOR = "snapshots,market-state,portfolio-gate,position-gate,executor"
PLANS = "quantum:stream:apply.plan"
SECRETS = ("BINANCE_TESTNET_API_KEY", "BINANCE_TESTNET_API_SECRET", "QTOPS_PERMIT_KEY")


def environ(home, **more):
    own = {"HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8"}
    return {"PATH": os.environ["PATH"]} | own | more


@dataclass
class Box:
    """A sandbox that is up, and the shell of somebody who joined it."""

    home: Path
    settings: dict[str, str]
    link: redis.Redis

    def qtops(self, *argv, **more):
        return subprocess.run(
            [*QTOPS, *argv],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home,
            env=environ(self.home, **(self.settings | more)),
            timeout=PATIENCE_S,
        )

    def prove(self, *argv, **more):
        return self.qtops("proof", "exit", *argv, **more)

    @contextmanager
    def begin(self, *argv):
        """A proof that waits for a result that nobody will give it."""
        before = self.link.xlen(PLANS)
        with subprocess.Popen(
            [*QTOPS, "proof", "exit", "--timeout", "300", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=environ(self.home, **self.settings),
        ) as process:
            try:
                eventually(lambda: self.link.xlen(PLANS) > before, process)
                yield process
            finally:
                process.kill()

    def control(self, path, body=None):
        request = urllib.request.Request(
            f"{self.settings['QTOPS_EXCHANGE_URL']}/sandbox/v1/{path}",
            data=json.dumps(body).encode() if body is not None else None,
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def orders(self):
        return self.control("orders")["orders"]

    def sent(self):
        """All that a proof could have left behind."""
        return self.link.xlen(PLANS), len(self.orders()), self.leases()

    def leases(self):
        return self.link.keys("quantum:*pause*")


def eventually(holds, process):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


@contextmanager
def sandbox(home, *options, **more):
    home.mkdir(parents=True)
    directory = home / "box"
    with subprocess.Popen(
        [*QTOPS, "--json", "sandbox", "up", "--dir", str(directory), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=home,
        env=environ(home, **more),
    ) as process:
        try:
            assert select.select([process.stdout], [], [], PATIENCE_S)[0]
            assert process.stdout.readline(), "the sandbox did not start"
            found = re.findall(
                r"^export (\w+)=(.*)$", (directory / "env").read_text(), re.MULTILINE
            )
            settings = {name: value.strip("'") for name, value in found}
            with redis.Redis.from_url(settings["QTOPS_REDIS_URL"], decode_responses=True) as link:
                yield Box(home, settings, link)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("proofs")


@pytest.fixture(scope="module")
def box(place):
    """The reference scenario with every service."""
    with sandbox(place / "all") as up:
        yield up


@pytest.fixture(scope="module")
def proven(box):
    """The one proof that all tests of its outcome look at."""
    return box.prove("--json", "--rounds", "3", "--out", str(box.home / "evidence"))


@pytest.fixture(scope="module")
def lonely(place):
    """Positions, but no service that would answer a plan."""
    with sandbox(place / "none", "--services", "none") as up:
        yield up


def figures(document):
    names = ("symbol", "side", "requested_qty", "filled_qty", "verdict", "reason")
    return [tuple(row[name] for name in names) for row in document["rounds"]]


# --- the reference scenario ---------------------------------------------------------------------


def test_the_reference_scenario_gives_exactly_these_figures(proven):
    document = json.loads(proven.stdout)
    assert (proven.returncode, proven.stderr) == (0, "")
    assert (document["schema"], document["status"]) == ("qtops.proof.exit/v1", "proven")
    assert figures(document) == [
        ("TRXUSDT", "SELL", "8944.5", "8944", "FILLED", ""),
        ("ETHUSDT", "SELL", "3.339", "3.339", "FILLED", ""),
        ("BTCUSDT", "SELL", "0.001", "", "REJECTED_EXPECTED", "no_position"),
    ]
    positions = [(r["position_before"], r["position_after"]) for r in document["rounds"]]
    assert positions == [("17889", "8945"), ("6.678", "3.339"), ("0", "0")]


def test_the_exchange_itself_knows_these_orders_and_no_other(box, proven):
    rounds = json.loads(proven.stdout)["rounds"]
    claimed = {r["order_id"]: r["exchange"] for r in rounds if r["order_id"]}
    assert {str(order["orderId"]) for order in box.orders()} == set(claimed)
    assert all(order["reduce_only"] for order in claimed.values())
    assert [order["executed_qty"] for order in claimed.values()] == ["8944", "3.339"]
    assert rounds[2]["exchange"] is None


def test_the_lease_of_the_bridge_is_gone_after_success(box, proven):
    assert json.loads(proven.stdout)["bridge_resumed"] is True
    assert box.leases() == []


def test_the_hashes_of_the_artifacts_verify(box, proven):
    directory = Path(json.loads(proven.stdout)["artifacts"])
    assert directory == box.home / "evidence"
    sums = dict(
        line.split("  ")[::-1] for line in (directory / "SHA256SUMS").read_text().split("\n")[:-1]
    )
    assert set(sums) == {path.name for path in directory.iterdir()} - {"SHA256SUMS"}
    assert {"report.md", "report.html", "summary.json", "round-1.json", "events.jsonl"} <= set(sums)
    for name, digest in sums.items():
        assert hashlib.sha256((directory / name).read_bytes()).hexdigest() == digest


def test_the_events_of_the_window_are_kept_in_their_order(box, proven):
    lines = (box.home / "evidence" / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    for row in json.loads(proven.stdout)["rounds"]:
        of_round = [e["stream"] for e in events if e["fields"].get("plan_id") == row["plan_id"]]
        assert of_round[0] == PLANS
        assert of_round.count("quantum:stream:gate.decision") == 3
        assert of_round.count("quantum:stream:apply.result") == 1


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_checks_them_as_the_report_says(box, proven):
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    run = subprocess.run(command, cwd=box.home / "evidence", capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (0, b"")


def test_no_secret_is_in_any_output_log_or_artifact(box, proven):
    secrets = [box.settings[name] for name in SECRETS]
    assert all(len(secret) >= 16 for secret in secrets)
    texts = {"stdout": proven.stdout, "stderr": proven.stderr}
    for directory in (
        box.home / "evidence",
        box.home / "box" / "logs",
        box.home / "box" / "journal",
    ):
        for path in directory.rglob("*"):
            if path.is_file():
                texts[str(path)] = path.read_text("utf-8", "replace")
    assert len(texts) > 10
    leaks = [name for name, text in texts.items() for secret in secrets if secret in text]
    assert leaks == []


def test_the_evidence_is_never_overwritten_and_nothing_is_sent_for_nothing(box, proven):
    before = box.sent()
    run = box.prove("--out", str(box.home / "evidence"))
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.endswith("is not empty; next: name another directory with --out\n")
    assert box.sent() == before


def test_proof_order_id_and_audit_permits_agree(box, proven):
    rounds = json.loads(proven.stdout)["rounds"]
    for row in rounds[:2]:
        run = box.qtops("--json", "proof", "order-id", "--plan-id", row["plan_id"])
        assert run.returncode == 0
        assert json.loads(run.stdout)["last_match"]["order_id"] == row["order_id"]
    refused = box.qtops("proof", "order-id", "--plan-id", rounds[2]["plan_id"])
    assert refused.returncode == 3


# --- what is refused before anything is sent ----------------------------------------------------

MAINNET = {"QTOPS_EXCHANGE_URL": "https://fapi.binance.com"}
REFUSED = {
    "mainnet": ([], MAINNET, 4, "the exchange is mainnet"),
    "mainnet by its switch": (
        [],
        {"QTOPS_EXCHANGE_URL": "https://fapi.binance.com", "BINANCE_USE_TESTNET": "false"},
        4,
        "the exchange is mainnet",
    ),
    "mainnet, dry run": (["--dry-run"], MAINNET, 4, "the exchange is mainnet"),
    "mainnet without a terminal": (["--allow-mainnet"], MAINNET, 4, "no terminal to ask on"),
    "unknown host": ([], {"QTOPS_EXCHANGE_URL": "https://example.invalid"}, 4, "not a testnet"),
    "no position": (["--symbols", "BTCUSDT"], {}, 3, "no open position in BTCUSDT"),
    "no position, dry run": (["--symbols", "BTCUSDT", "--dry-run"], {}, 3, "no open position"),
    "wrong key": ([], {"BINANCE_TESTNET_API_KEY": "x" * 64}, 1, "-2015"),
    "wrong secret": ([], {"BINANCE_TESTNET_API_SECRET": "x" * 64}, 1, "-1022"),
    "no key": ([], {"BINANCE_TESTNET_API_KEY": ""}, 1, "BINANCE_TESTNET_API_KEY is not set"),
    "no exchange": ([], {"QTOPS_EXCHANGE_URL": "http://127.0.0.1:1"}, 1, "http://127.0.0.1:1"),
    "no redis": ([], {"QTOPS_REDIS_URL": "redis://127.0.0.1:1/0"}, 1, "it cannot be reached"),
    "file in the way": (["--out", "/dev/null/x"], {}, 1, "cannot write /dev/null/x"),
    "fraction 0": (["--fraction", "0"], {}, 64, "above 0 and at most 1"),
    "fraction 1.5": (["--fraction", "1.5"], {}, 64, "above 0 and at most 1"),
    "fraction nan": (["--fraction", "nan"], {}, 64, "not finite"),
    "fraction word": (["--fraction", "half"], {}, 64, "is not a number"),
    "rounds 0": (["--rounds", "0"], {}, 64, "'--rounds'"),
    "rounds word": (["--rounds", "x"], {}, 64, "'--rounds'"),
    "symbols empty": (["--symbols", ","], {}, 64, "is not a symbol"),
    "symbols blank inside": (["--symbols", "BTC USDT"], {}, 64, "is not a symbol"),
    "symbol unknown": (["--symbols", "NOSUCHUSDT"], {}, 64, "does not trade NOSUCHUSDT"),
}


@pytest.mark.parametrize(("argv", "changes", "code", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_one_line_and_nothing_is_sent(lonely, argv, changes, code, said):
    before = lonely.sent()
    run = lonely.prove(*argv, **changes)
    assert (run.returncode, run.stdout) == (code, "")
    assert len(run.stderr.splitlines()) == 1
    assert said in run.stderr
    assert "; next: " in run.stderr
    assert lonely.sent() == before
    assert not (lonely.home / "artifacts").exists()


def test_a_dry_run_prints_the_plans_and_publishes_none(lonely):
    before = lonely.sent()
    run = lonely.prove("--dry-run", "--json", "--symbols", "trxusdt,BTCUSDT,BTCUSDT")
    document = json.loads(run.stdout)
    assert (run.returncode, run.stderr) == (0, "")
    assert [(p["symbol"], p["qty"], p["reduceOnly"]) for p in document["plans"]] == [
        ("TRXUSDT", "8944.5", "true"),
        ("BTCUSDT", "0.001", "true"),
    ]
    assert lonely.sent() == before


def test_an_exchange_whose_clock_is_off_is_followed(lonely):
    lonely.control("clock", {"offset_ms": 10_000})
    try:
        run = lonely.prove("--dry-run")
    finally:
        lonely.control("clock", {"offset_ms": 0})
    assert (run.returncode, run.stderr) == (0, "")


# --- the lease ----------------------------------------------------------------------------------


def test_ctrl_c_gives_the_lease_back(lonely):
    with lonely.begin() as process:
        assert len(lonely.leases()) == 1
        second = lonely.prove("--rounds", "1")
        assert second.returncode == 4
        assert "already paused by exit-proof:" in second.stderr
        published = lonely.link.xlen(PLANS)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (130, "")
    assert err == "interrupted: stopped by the operator\n"
    assert lonely.leases() == []
    assert lonely.link.xlen(PLANS) == published


def test_the_lease_of_a_killed_proof_lapses_by_itself(lonely):
    with lonely.begin() as process:
        [lease] = lonely.leases()
        process.kill()
        process.wait(PATIENCE_S)
    assert process.returncode == -signal.SIGKILL
    assert 0 < lonely.link.pttl(lease) <= LEASE_S * 1000
    lonely.link.pexpire(lease, 1)
    deadline = time.monotonic() + PATIENCE_S
    while lonely.leases():
        assert time.monotonic() < deadline, "somebody renews it"
        time.sleep(0.02)


# --- other worlds -------------------------------------------------------------------------------


def test_without_the_governor_no_order_leaves_and_the_report_says_why(place):
    patience = {"INTENT_EXECUTOR_PERMIT_WAIT_SECONDS": "1"}
    services = ("--services", GATES_WITHOUT_GOVERNOR)
    with sandbox(place / "ungoverned", *services, **patience) as box:
        run = box.prove("--rounds", "1", "--out", "out")
        assert box.orders() == []
        assert box.leases() == []
    assert (run.returncode, run.stderr) == (3, "")
    head, *rest = run.stdout.splitlines()
    assert head.startswith("✗ not proven   round 1 (TRXUSDT) failed at the permits")
    assert "no decision from governor" in head
    assert "    qtops run governor" in rest
    report = (box.home / "out" / "report.md").read_text()
    assert "no decision from governor" in report
    assert "permit_missing:governor" in report


def test_a_short_is_bought_back(place):
    home = place / "short"
    home.mkdir()
    inside = ["--scenario", "exit-proof-short", "--", *QTOPS, "--json", "proof", "exit"]
    run = subprocess.run(
        [*QTOPS, "sandbox", "run", *inside],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env=environ(home),
        timeout=PATIENCE_S,
    )
    document = json.loads(run.stdout)
    assert (run.returncode, document["status"]) == (0, "proven")
    filled = [row for row in document["rounds"] if row["verdict"] == "FILLED"]
    assert len(filled) == 2
    assert {row["side"] for row in filled} == {"BUY"}
    assert all(row["exchange"]["reduce_only"] for row in filled)
    assert all(row["position_before"].startswith("-") for row in filled)


def test_the_demo_says_it_in_the_first_line(place):
    home = place / "demo"
    home.mkdir()
    run = subprocess.run(
        [*QTOPS, "--sandbox", "proof", "exit", "--rounds", "3"],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env=environ(home),
        timeout=PATIENCE_S,
    )
    lines = run.stdout.splitlines()
    assert (run.returncode, run.stderr) == (0, "")
    assert lines[0].startswith("✓ proven   2 exits filled, 1 negative control refused as expected")
    rows = [line.split() for line in lines if line.lstrip()[:2] in {"1 ", "2 ", "3 "}]
    assert [(row[1], row[-1]) for row in rows] == [
        ("TRXUSDT", "FILLED"),
        ("ETHUSDT", "FILLED"),
        ("BTCUSDT", "no_position"),
    ]
    report = next(line.split()[1] for line in lines if line.startswith("  report "))
    assert report.startswith("artifacts/exit-proof-")
    assert (home / report).is_file()
