"""A proof on disk is whole, unchanged since it was written, and never written over another."""

import json
import os
import stat
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from qtops.errors import DecodeError, HostError
from qtops.reports.artifacts import refuse_unwritable, write_artifacts
from tests.reports import samples as s

OURS = ["SHA256SUMS", "report.html", "report.md", "round-1.json", "round-2.json", "round-3.json"]
OURS += ["summary.json"]


def names(directory):
    return sorted(p.name for p in directory.iterdir())


def test_the_set_is_complete_and_says_where_everything_is(tmp_path):
    made = write_artifacts(tmp_path / "a" / "b", s.proven(), {"events.jsonl": "{}\n"})
    assert names(made.directory) == sorted([*OURS, "events.jsonl"])
    listed = [made.summary, *made.rounds, made.markdown, made.html, *made.extra, made.sums]
    assert sorted(p.name for p in listed) == names(made.directory)
    assert all(p.parent == made.directory for p in listed)


def test_sha256sum_itself_agrees_and_notices_a_change(tmp_path):
    made = write_artifacts(tmp_path / "out", s.governor_silent(), {"raw.bin": b"\0\xff"})
    check = ["sha256sum", "-c", "--strict", "SHA256SUMS"]
    good = subprocess.run(check, cwd=made.directory, capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stderr
    assert sorted(line.split(":")[0] for line in good.stdout.splitlines()) == [
        name for name in names(made.directory) if name != "SHA256SUMS"
    ]
    made.rounds[1].write_text("{}")
    bad = subprocess.run(check, cwd=made.directory, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert "round-2.json: FAILED" in bad.stdout


def test_the_files_hold_the_payload(tmp_path):
    payload = s.proven()
    made = write_artifacts(tmp_path / "out", payload)
    assert json.loads(made.summary.read_text()) == payload
    assert [json.loads(p.read_text()) for p in made.rounds] == payload["rounds"]
    assert "PROVEN" in made.markdown.read_text()
    assert made.html.read_text().startswith("<!doctype html>")


def test_no_number_with_a_point_reaches_json_as_a_float(tmp_path):
    payload = s.proven()
    payload["rounds"][0]["result"]["details"] |= {
        "price": Decimal("0.10"),
        "huge": Decimal("1E+3"),
        "float": 0.1,
        "odd": {1: (Decimal(2), None, True)},
        "unknown": s.STAMP.encode(),
    }
    made = write_artifacts(tmp_path / "out", payload)
    text = made.summary.read_text()
    details = json.loads(text, parse_float=pytest.fail)["rounds"][0]["result"]["details"]
    assert details["price"] == "0.10"
    assert details["huge"] == "1000"
    assert details["float"] == "0.1"
    assert details["odd"] == {"1": ["2", None, True]}
    assert isinstance(details["unknown"], str)


def test_half_a_character_does_not_stop_the_evidence(tmp_path):
    payload = s.proven()
    payload["rounds"][0]["permits"][0]["detail"] = "\ud800"
    made = write_artifacts(tmp_path / "out", payload, {"log.txt": "\udcff"})
    assert r"\ud800" in made.summary.read_text()
    assert r"\ud800" in made.html.read_text()
    assert made.extra[0].read_bytes() == rb"\udcff"


def test_modes_do_not_depend_on_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        made = write_artifacts(tmp_path / "out", s.proven())
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.directory.stat().st_mode) == 0o755
    assert {stat.S_IMODE(p.stat().st_mode) for p in made.directory.iterdir()} == {0o644}


def test_evidence_is_never_overwritten(tmp_path):
    made = write_artifacts(tmp_path / "out", s.proven())
    before = {p: p.read_bytes() for p in made.directory.iterdir()}
    with pytest.raises(HostError, match="not empty") as caught:
        write_artifacts(tmp_path / "out", s.governor_silent())
    assert "--out" in caught.value.hint
    assert {p: p.read_bytes() for p in made.directory.iterdir()} == before


def test_an_empty_directory_may_be_used(tmp_path):
    assert write_artifacts(tmp_path, s.proven()).sums.exists()


def test_a_file_in_the_way_is_a_host_fault(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(HostError, match="cannot write"):
        write_artifacts(tmp_path / "out", s.proven())


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path):
    refuse_unwritable(tmp_path / "a" / "b")
    refuse_unwritable(tmp_path)
    assert names(tmp_path) == []


def test_a_place_that_cannot_be_written_is_said_beforehand(tmp_path):
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/dev/null/x")):
        with pytest.raises(HostError, match="cannot write") as caught:
            refuse_unwritable(place)
        assert "--out" in caught.value.hint
    with pytest.raises(HostError, match="not empty"):
        refuse_unwritable(tmp_path)
    assert names(tmp_path) == ["file"]


def test_an_incomplete_payload_touches_nothing(tmp_path):
    payload = s.proven()
    del payload["stamp"]
    with pytest.raises(DecodeError, match="stamp"):
        write_artifacts(tmp_path / "out", payload)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", ".hidden", "a\nb", "a\\b", "SHA256SUMS", "report.md"]
)
def test_an_extra_cannot_leave_the_directory_or_take_our_names(tmp_path, name):
    with pytest.raises(ValueError, match="extra artifact"):
        write_artifacts(tmp_path / "out", s.proven(), {name: "x"})
    assert names(tmp_path) == []


def test_a_write_that_fails_leaves_no_half_file_and_no_sums(tmp_path, monkeypatch):
    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HostError, match="No space left"):
        write_artifacts(tmp_path / "out", s.proven())
    assert names(tmp_path / "out") == []
