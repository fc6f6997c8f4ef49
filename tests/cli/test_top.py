"""`qtops top`: in a pipe, on an 80 by 24 screen driven by keys, and on a real terminal."""

import asyncio
import os
import pty
import select
import subprocess
import sys
import termios
import time

import pytest
from textual.widgets import DataTable, Static, TabbedContent

from qtops.adapters.clock import SystemClock
from qtops.adapters.link import RedisLink
from qtops.adapters.top_reader import RedisTopReader
from qtops.audits.health import BEATING
from qtops.audits.top import Caps, Surroundings, view_of
from qtops.cli.top_app import PANES, TopApp
from qtops.contracts.values import parse_decimal
from qtops.sandbox.redis_server import EmbeddedRedis

DECISION = {
    "plan_id": "p1",
    "gate": "governor",
    "allow": "false",
    "reason": "kill_halted",
    "symbol": "[red]X\x1b[31m",
    "side": "SELL",
    "effect": "close",
    "decided_at_ms": "1",
}
POSITIONS = '{"BTCUSDT": {"amount": "-0.5", "entry_price": "40000", "mark_price": "42000"}}'
SURROUNDINGS = Surroundings(Caps(10, parse_decimal("2000", "cap")), "quantum")


def seed(db):
    db.set("quantum:kill", "reduce")
    db.hset("quantum:heartbeat:governor", "pid", "1")
    db.pexpire("quantum:heartbeat:governor", 14_000)
    db.hset("quantum:state:portfolio", mapping={"positions": POSITIONS, "observed_at_ms": "1"})
    db.xadd("quantum:stream:gate.decision", DECISION)
    db.xadd("quantum:stream:gate.decision", {"gate": "governor"})
    db.xadd("quantum:stream:apply.plan", {"plan_id": "p1"})


def views_from(server):
    async def views():
        link = RedisLink.to(server.url, "quantum", purpose="reader")
        try:
            return view_of(await RedisTopReader(link, SystemClock(), BEATING).read(), SURROUNDINGS)
        finally:
            await link.aclose()

    return views


def table(app, name):
    found = app.query_one(f"#{name}-table", DataTable)
    return [[cell.plain for cell in found.get_row_at(n)] for n in range(found.row_count)]


def text(app, name):
    return str(app.query_one(name, Static).render())


async def until(pilot, condition):
    async with asyncio.timeout(20):
        while not condition():
            await pilot.pause(0.02)


def test_a_pipe_gets_one_reading(shell, server, db):
    seed(db)
    run = shell("top", environ={"QTOPS_REDIS_URL": server.url})
    assert run.code == 0, run.err
    assert run.out.startswith("! REDUCING   0 allowed, 1 refused in 60 s; 1 of 10 positions")
    assert "21000 of 2000 USDT (over the cap)" in run.out
    assert "\x1b" not in run.out
    document = shell("top", "--json", environ={"QTOPS_REDIS_URL": server.url}).document
    assert document["trading_state"] == "REDUCING"
    newest, decided = document["decisions"]["rows"]
    assert newest["decision"] == "unreadable"
    assert (decided["decision"], decided["reason"]) == ("refuse", "kill_halted")
    by_service = {row["service"]: row for row in document["gates"]["rows"]}
    assert by_service["governor"]["refused_per_min"] == "1"
    assert by_service["governor"]["heartbeat"].endswith(" ago")
    assert by_service["executor"]["heartbeat"] == "none"
    assert {row["read_by"] for row in document["streams"]["rows"]} == {"nobody"}
    assert document["positions"]["rows"][0]["side"] == "SHORT"


def test_an_empty_redis_is_halted_and_says_what_is_missing(shell, server, db):
    run = shell("top", "--once", environ={"QTOPS_REDIS_URL": server.url})
    assert run.code == 0
    assert run.out.startswith("✗ HALTED")
    for words in ("positions absent", "no gate has decided", "no stream has an entry"):
        assert words in run.out


def test_without_redis_and_with_a_bad_interval(shell):
    assert shell("top", environ={"QTOPS_REDIS_URL": "redis://127.0.0.1:1"}).code == 1
    assert shell("top", "--interval", "0s").code == 64


async def test_keys_turn_the_tables_and_what_redis_holds_is_only_text(server, db):
    seed(db)
    app = TopApp(views_from(server), 0.1, "redis://here")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "REDUCING" in text(app, "#status"))
        assert "as&#160;of" in app.export_screenshot()  # the second line is not pushed out
        tabs = app.query_one(TabbedContent)
        assert tabs.active == "gates"
        seen = []
        for _ in PANES:
            await pilot.press("right")
            seen.append(tabs.active)
        assert seen == [*PANES[1:], PANES[0]]
        await pilot.press("left")
        assert tabs.active == "decisions"
        assert [row[2] for row in table(app, "decisions")] == ["", "[red]X?[31m"]
        await pilot.press("3")
        assert tabs.active == "positions"
        assert table(app, "positions") == [
            ["BTCUSDT", "SHORT", "-0.5", "40000", "42000", "21000.00"]
        ]
        await pilot.press("question_mark")
        assert len(app.screen_stack) == 2
        await pilot.press("x")
        assert len(app.screen_stack) == 1
        await pilot.press("q")
    assert app.return_code == 0


async def test_a_pause_holds_the_picture_and_r_reads_all_the_same(server, db):
    app = TopApp(views_from(server), 0.05, "here")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "HALTED" in text(app, "#status"))
        await pilot.press("p")
        await until(pilot, lambda: "PAUSED" in text(app, "#status"))
        db.set("quantum:kill", "0")
        await pilot.pause(0.3)
        assert "HALTED" in text(app, "#status")
        await pilot.press("r")
        await until(pilot, lambda: "ACTIVE" in text(app, "#status"))
        await pilot.press("p")
        db.set("quantum:kill", "1")
        await until(pilot, lambda: "HALTED" in text(app, "#status"))


async def test_redis_goes_away_and_comes_back():
    with EmbeddedRedis() as server:
        app = TopApp(views_from(server), 0.05, "here")
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: "HALTED" in text(app, "#status"))
            server.stop()
            await until(pilot, lambda: "AWAY  as of" in text(app, "#status"))
            server.start()
            await until(pilot, lambda: "AWAY" not in text(app, "#status"))
            await pilot.press("q")


@pytest.mark.parametrize("end", ["q", "ctrl+c", "SIGTERM"])
def test_on_a_terminal_it_starts_shows_quits_and_restores(server, db, end, tmp_path):
    seed(db)
    terminal, side = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    before = termios.tcgetattr(terminal)
    environ = {"QTOPS_REDIS_URL": server.url, "TERM": "xterm-256color", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "qtops", "top", "--interval", "1s"]
    with subprocess.Popen(
        command, stdin=side, stdout=side, stderr=side, env=environ, start_new_session=True
    ) as process:
        shown = read_until(terminal, b"REDUCING")
        assert b"\x1b[?1049h" in shown
        if end == "SIGTERM":
            process.terminate()
        else:
            os.write(terminal, {"q": b"q", "ctrl+c": b"\x03"}[end])
        shown = read_until(terminal, b"\x1b[?1049l")
        assert process.wait(20) == 0
    shown += read_until(terminal, b"\x1b[?25h", shown)
    assert b"Traceback" not in shown
    assert termios.tcgetattr(terminal) == before
    os.close(side)
    os.close(terminal)


def read_until(terminal, words, shown=b""):
    deadline = time.monotonic() + 30
    while words not in shown:
        assert time.monotonic() < deadline, shown[-500:]
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 65536)
    return shown
