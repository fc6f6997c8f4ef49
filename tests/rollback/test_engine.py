"""A rollback over a real Redis, real files and real commands, ended at every point it can be."""

import asyncio
import os
import shlex
import stat
import sys

import pytest
import redis

from qtops.errors import HostError, UsageError
from qtops.rollback import steps
from qtops.rollback.engine import carry_out, take_back
from qtops.rollback.journal import Journal, Journals, Stage, State
from qtops.rollback.plan import plan_dry_run, plan_soft, with_backups
from qtops.sandbox.redis_server import EmbeddedRedis
from qtops.settings.load import load_settings
from qtops.wiring.rollback import apply_layer, executor, rollback_bench

LANE = "quantum:manual_lane:enabled"
BEFORE = b"# sources\r\nINTENT_EXECUTOR_SOURCE_ALLOWLIST=intent_bridge,extra\r\nSECRET=\xffx\r\n"
AFTER = BEFORE.replace(b",extra", b"")
# Notes what the file says at the restart; fails while the file `broken` is there.
RESTART = """
import pathlib, sys
place = pathlib.Path(sys.argv[1])
if (place / "broken").exists():
    sys.exit("no such container")
with (place / "lives").open("ab") as lives:
    lives.write(b"extra\\n" if b"extra" in (place / "executor.env").read_bytes() else b"bridge\\n")
"""


class Crashed(BaseException):
    """The process is gone."""


class DyingJournals(Journals):
    """Ends the process before its nth write, as a kill would."""

    def __init__(self, directory, writes):
        super().__init__(directory)
        self.writes = writes

    def write(self, journal):
        self.writes -= 1
        if self.writes < 0:
            raise Crashed
        super().write(journal)


class Plant:
    """One machine: an env file, a service that restarts by command, a Redis."""

    def __init__(self, home, server, db):
        self.home = home
        self.db = db
        self.env_file = home / "executor.env"
        self.env_file.write_bytes(BEFORE)
        self.env_file.chmod(0o640)
        (home / "restart.py").write_text(RESTART)
        restart = shlex.join([sys.executable, str(home / "restart.py"), str(home), "{service}"])
        environ = {
            "QTOPS_REDIS_URL": server.url,
            "QTOPS_SERVICE_CONTROL": "command",
            "QTOPS_SERVICE_RESTART_COMMAND": restart,
            "QTOPS_SERVICE_STATUS_COMMAND": "test -n {service}",
            "QTOPS_EXECUTOR_ENV_FILE": str(self.env_file),
            "QTOPS_APPLY_ENV_FILE": str(self.env_file),
        }
        self.settings = load_settings(environ, cwd=home, home=home, etc_dir=home)
        self.journals = Journals(home / "state")
        db.set(LANE, "1", ex=600)

    async def new(self, kind="soft", journals=None):
        """A journal on the disk, nothing done yet."""
        store = journals or self.journals
        store.directory.mkdir(parents=True, exist_ok=True)
        async with rollback_bench(self.settings) as bench:
            if kind == "soft":
                found = await plan_soft(bench.sight, executor(self.settings))
            else:
                found = await plan_dry_run(bench.sight, apply_layer(self.settings))
        name = store.new_id("20260127T000000")
        planned = with_backups(found, name)
        stages = [Stage.PENDING for _ in planned]
        journal = Journal(name, kind, "ops", "", 0, "here", planned, stages)
        store.write(journal)
        return journal

    async def go(self, journal, journals=None):
        async with rollback_bench(self.settings) as bench:
            await carry_out(journal, journals or self.journals, bench.hands("ops", "r"))

    async def back(self, journal):
        async with rollback_bench(self.settings) as bench:
            return await take_back(journal, self.journals, bench.hands("ops", "r"))

    @property
    def lives(self):
        path = self.home / "lives"
        return path.read_text().split() if path.exists() else []

    def is_rolled_back(self):
        return self.env_file.read_bytes() == AFTER and not self.db.exists(LANE)

    def is_as_before(self):
        lane = self.db.get(LANE), self.db.ttl(LANE) > 0
        return self.env_file.read_bytes() == BEFORE and lane == (b"1", True)


@pytest.fixture(scope="module")
def server():
    with EmbeddedRedis() as running:
        yield running


@pytest.fixture
def plant(tmp_path, server, monkeypatch):
    monkeypatch.setattr(steps, "SETTLE_S", 0.0)
    with redis.Redis(port=server.port) as db:
        db.flushall()
        yield Plant(tmp_path, server, db)


async def test_soft_changes_the_line_the_lane_and_the_service(plant):
    journal = await plant.new()
    await plant.go(journal)
    assert plant.is_rolled_back()
    assert plant.lives == ["bridge"]
    assert plant.journals.read(journal.rollback_id) == journal
    assert journal.state is State.DONE
    assert set(journal.stages) == {Stage.DONE}


async def test_the_file_keeps_its_mode_and_so_does_the_backup(plant):
    journal = await plant.new()
    await plant.go(journal)
    [backup] = plant.home.glob("executor.env.RB-*.bak")
    assert backup.read_bytes() == BEFORE
    assert [stat.S_IMODE(p.stat().st_mode) for p in (backup, plant.env_file)] == [0o640, 0o640]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
async def test_the_file_keeps_its_owner_and_so_does_the_backup(plant):
    os.chown(plant.env_file, 12345, 54321)
    await plant.go(await plant.new())
    [backup] = plant.home.glob("executor.env.RB-*.bak")
    owners = {(p.stat().st_uid, p.stat().st_gid) for p in (backup, plant.env_file)}
    assert owners == {(12345, 54321)}


async def test_a_link_stays_a_link(plant):
    target = plant.env_file.rename(plant.home / "real.env")
    plant.env_file.symlink_to(target)
    await plant.go(await plant.new())
    assert plant.env_file.is_symlink()
    assert target.read_bytes() == AFTER


async def test_undo_brings_everything_back_and_restarts_last(plant):
    journal = await plant.new()
    await plant.go(journal)
    assert await plant.back(journal) == []
    assert plant.is_as_before()
    assert plant.lives == ["bridge", "extra"]
    assert plant.journals.read(journal.rollback_id).state is State.UNDONE


async def test_a_restart_that_fails_undoes_the_earlier_steps(plant):
    journal = await plant.new()
    (plant.home / "broken").touch()
    with pytest.raises(HostError, match="no such container"):
        await plant.go(journal)
    assert plant.is_as_before()
    assert plant.journals.read(journal.rollback_id).is_unfinished  # the service is not sure
    (plant.home / "broken").unlink()
    assert await plant.back(plant.journals.read(journal.rollback_id)) == []
    assert plant.lives == ["extra"]


async def test_a_file_that_somebody_changed_meanwhile_is_left_alone(plant):
    journal = await plant.new()
    plant.env_file.write_bytes(b"OTHER=1\n")
    with pytest.raises(HostError, match="changed by somebody else"):
        await plant.go(journal)
    assert plant.env_file.read_bytes() == b"OTHER=1\n"
    assert plant.db.get(LANE) == b"1"
    assert plant.lives == []
    assert plant.journals.read(journal.rollback_id).state is State.UNDONE


async def test_undo_does_not_overwrite_a_later_edit_and_says_so(plant):
    journal = await plant.new()
    await plant.go(journal)
    plant.env_file.write_bytes(AFTER + b"NEW=1\r\n")
    [fault] = await plant.back(journal)
    assert "changed since" in fault
    assert plant.env_file.read_bytes() == AFTER + b"NEW=1\r\n"
    assert plant.db.get(LANE) == b"1"
    assert plant.lives == ["bridge"]
    plant.env_file.write_bytes(AFTER)
    assert await plant.back(plant.journals.open()) == []
    assert plant.is_as_before()
    assert plant.lives == ["bridge", "extra"]


async def test_undo_does_not_reopen_a_lane_that_would_be_closed_by_now(plant):
    plant.db.set(LANE, "1", px=300)
    journal = await plant.new()
    await plant.go(journal)
    await asyncio.sleep(0.4)
    assert await plant.back(journal) == []
    assert not plant.db.exists(LANE)


async def test_dry_run_sets_the_mode_and_the_apply_layers_file(plant):
    plant.db.set("quantum:mode", "TESTNET")
    journal = await plant.new("dry-run")
    await plant.go(journal)
    assert plant.db.get("quantum:mode") == b"DRY_RUN"
    assert plant.env_file.read_bytes() == BEFORE + b"APPLY_MODE=dry_run\r\n"
    assert plant.db.xlen("quantum:stream:control.audit") == 1
    assert await plant.back(journal) == []
    assert plant.db.get("quantum:mode") == b"TESTNET"
    assert plant.env_file.read_bytes() == BEFORE


async def test_undo_leaves_a_mode_that_somebody_set_since(plant):
    plant.db.set("quantum:mode", "MAINNET")
    journal = await plant.new("dry-run")
    await plant.go(journal)
    plant.db.set("quantum:mode", "TESTNET")
    assert await plant.back(journal) == []
    assert plant.db.get("quantum:mode") == b"TESTNET"


# 1 write for the plan, 2 for each of 3 steps, 1 for the end
@pytest.mark.parametrize("writes", range(1, 8))
@pytest.mark.parametrize("way", ["resume", "undo"])
async def test_ended_at_any_point_it_is_recognised_and_goes_on_or_back(plant, writes, way):
    dying = DyingJournals(plant.home / "state", writes)
    started = await plant.new(journals=dying)
    with pytest.raises(Crashed):
        await plant.go(started, dying)
    found = plant.journals.open()
    assert found.rollback_id == started.rollback_id
    assert found.state is State.APPLYING
    if way == "resume":
        await plant.go(found)
        assert plant.is_rolled_back()
        assert plant.lives[-1] == "bridge"
    else:
        assert await plant.back(found) == []
        assert plant.is_as_before()
        assert plant.lives[-1:] in ([], ["extra"])
    assert plant.journals.open() is None


@pytest.mark.parametrize("writes", range(1, 5))
async def test_an_undo_that_is_ended_is_finished_by_the_next(plant, writes):
    journal = await plant.new()
    await plant.go(journal)
    dying = DyingJournals(plant.home / "state", writes)
    async with rollback_bench(plant.settings) as bench:
        with pytest.raises(Crashed):
            await take_back(journal, dying, bench.hands("ops", "r"))
    found = plant.journals.open()
    assert found.state is State.UNDOING
    assert await plant.back(found) == []
    assert plant.is_as_before()
    assert plant.lives[-1] == "extra"


async def test_between_backup_and_edit_the_file_is_whole(plant, monkeypatch):
    journal = await plant.new()
    real = steps.replace

    def ended_at_the_file(path, data, **how):
        if path == plant.env_file:
            raise Crashed
        real(path, data, **how)

    monkeypatch.setattr(steps, "replace", ended_at_the_file)
    with pytest.raises(Crashed):
        await plant.go(journal)
    monkeypatch.setattr(steps, "replace", real)
    assert plant.env_file.read_bytes() == BEFORE
    await plant.go(plant.journals.open())
    assert plant.is_rolled_back()


def test_a_journal_that_cannot_be_read_is_not_ignored(tmp_path):
    journals = Journals(tmp_path)
    journals.directory.mkdir()
    (journals.directory / "RB-1.json").write_text('{"schema": "other"}')
    with pytest.raises(HostError, match="not a journal"):
        journals.open()


@pytest.mark.parametrize("name", ["RB-nothing", "../x", ""])
def test_an_unknown_rollback_is_a_usage_error(tmp_path, name):
    with pytest.raises(UsageError, match="no rollback"):
        Journals(tmp_path).read(name)
