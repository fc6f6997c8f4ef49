"""Environment files: each rule on the line it is about, by systemd's syntax."""

from dataclasses import replace

import pytest

from qtops.audits.env import contradictions, copies, owners, readable
from qtops.audits.env_files import Catalogue, EnvFile
from qtops.audits.env_rules import RULES, judge
from qtops.contracts.check import Verdict
from qtops.contracts.edit_distance import closest, distance
from qtops.contracts.envfile import assignments

KEY = "Zk3" * 20
NAMES = Catalogue(
    known=frozenset({"GOV_PERMIT_TTL_SECONDS", "BINANCE_API_KEY", "REDIS_HOST", "GOV_MODE"}),
    families=("GOV_", "QTOPS_"),
    is_secret=lambda name: name == "BINANCE_API_KEY",
    problem=lambda name, value: f"{name} is no number" if "TTL" in name and value == "x" else "",
    is_needless=lambda stem, name: stem == "governor" and name == "BINANCE_API_KEY",
)


def file(text, name="executor.env", mode=0o600, owner="root", group="root", **more):
    return EnvFile(
        f"/etc/quantum/{name}",
        mode,
        owner,
        group,
        text,
        is_live=name.endswith(".env"),
        assigned=tuple(assignments(text or "")),
        **more,
    )


def found(rule, *files):
    results = judge(rule, RULES[rule], files, NAMES)
    return [
        (one.verdict.value, one.severity.value, one.title)
        for one in results
        if one.verdict is not Verdict.PASS
    ]


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("A=1 # note", "A (line 1) has a comment inside its value"),
        ("A= # note", "A (line 1) has a comment inside its value"),
        ('A="x" # note', "A (line 1) has a comment inside its value"),
        ('A="open', "A (line 1) has a quote that is not closed"),
        ("A=${B}/x", "A (line 1) refers to another variable"),
        ('A="$B"', "A (line 1) refers to another variable"),
        ("export A=1", "line 1 starts with export"),
        ("nonsense", "line 1 assigns nothing"),
        ("# comment \\", "line 1 is a comment that ends in a backslash"),
        ("A=1\r", "CR LF ends 1 line"),
    ],
)
def test_syntax_that_does_not_mean_what_it_looks_like(line, title):
    assert title in [title for *_, title in found("env.syntax", file(line))]


@pytest.mark.parametrize(
    "text",
    ["A=1", 'A="a # b"', "A='a # b'", "A=a#b", "# c\n; c\n\nA = 1", "A='$B'", "A=x \\\n y", "A=5$"],
)
def test_syntax_that_systemd_reads_as_written(text):
    assert found("env.syntax", file(text)) == []


@pytest.mark.parametrize(
    ("mode", "group", "expected"),
    [
        (0o600, "root", []),
        (0o640, "root", []),
        (0o640, "qt", [("warn", "P2", "group qt may read its secrets")]),
        (0o644, "root", [("fail", "P1", "everybody may read its secrets")]),
        (0o604, "root", [("fail", "P1", "everybody may read its secrets")]),
    ],
)
def test_who_may_read_secrets(mode, group, expected):
    text = f"BINANCE_API_KEY={KEY}"
    assert found("env.secrets", file(text, mode=mode, group=group)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "API_SECRET=abcdefgh",
        "TELEGRAM_TOKEN=abcdefgh",
        "DB_PASSWORD=abcdefgh",
        "X=redis://u:pw@h/0",
    ],
)
def test_a_secret_is_known_by_its_name_or_its_url(text):
    assert found("env.secrets", file(text, mode=0o644)) != []


@pytest.mark.parametrize(
    "text", ["API_SECRET=", "MAX_TOKEN=500", "PASS=true", "LOG_LEVEL=debug", "X=redis://h:6379/0"]
)
def test_what_is_no_secret(text):
    assert found("env.secrets", file(text, mode=0o644)) == []


def test_secrets_where_they_are_not_needed_or_left_behind():
    text = f"BINANCE_API_KEY={KEY}"
    assert found("env.secrets", file(text, "governor.env")) == [
        ("warn", "P2", "BINANCE_API_KEY is not needed by governor")
    ]
    assert found("env.secrets", file(text, "executor.env.bak")) == [
        ("warn", "P2", "a copy of an environment file holds secrets")
    ]


def test_no_result_holds_a_secret():
    text = f"BINANCE_API_KEY={KEY} # x\nBINANCE_API_KEY={KEY}y\nURL=redis://u:{KEY}@h/0\nA={KEY}"
    files = [file(text, mode=0o646), file(text.replace("Zk3", "Yk3"), "governor.env", mode=0o644)]
    results = [one for name in RULES for one in judge(name, RULES[name], files, NAMES)]
    results += contradictions(files, NAMES) + copies(files, NAMES)
    assert {one.check for one in results if one.verdict is not Verdict.PASS} >= {
        "env.secrets",
        "env.syntax",
        "env.contradictions",
        "env.copies",
    }
    assert "k3Zk3" not in repr(results)
    assert "k3Yk3" not in repr(results)


@pytest.mark.parametrize(
    ("mode", "group", "expected"),
    [
        (0o644, "qt", []),
        (0o660, "root", []),
        (0o660, "qt", [("fail", "P2", "group qt may write it")]),
        (0o602, "root", [("fail", "P0", "everybody may write it")]),
    ],
)
def test_who_may_write(mode, group, expected):
    assert found("env.permissions", file("A=1", mode=mode, group=group)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GOV_PERMIT_TTL_SECONDS", []),
        (
            "GOV_PERMIT_TTL_SECOND",
            [("fail", "P1", "read by nothing here; meant GOV_PERMIT_TTL_SECONDS?")],
        ),
        (
            "GOV_PREMIT_TTL_SECONDS",
            [("fail", "P1", "read by nothing here; meant GOV_PERMIT_TTL_SECONDS?")],
        ),
        ("GOV_SOMETHING_ELSE", [("warn", "P2", "read by nothing here")]),
        ("BINANCE_APIKEY", [("warn", "P2", "read by nothing here; meant BINANCE_API_KEY?")]),
        ("ANOTHER_SERVICE", []),
        ("HOST", []),
    ],
)
def test_unknown_and_mistyped_keys(name, expected):
    titled = [(verdict, p, f"{name} is {title}") for verdict, p, title in expected]
    assert found("env.keys", file(f"{name}=1")) == titled


def test_values_that_their_setting_refuses_are_said_once():
    assert found("env.values", file("GOV_PERMIT_TTL_SECONDS=x")) == [
        ("fail", "P1", "GOV_PERMIT_TTL_SECONDS is no number")
    ]
    assert found("env.values", file("GOV_PERMIT_TTL_SECONDS=x # y")) == []


def test_duplicates_that_differ_are_worse_than_those_that_agree():
    assert found("env.duplicates", file("A=1\nA=1\nB=1\nB=2\nC=1")) == [
        ("warn", "P3", "A is set 2 times"),
        ("warn", "P1", "B is set 2 times, to different values"),
    ]


def test_contradictions_name_the_files_and_spare_what_is_per_service():
    one = file("REDIS_HOST=a\nMETRICS_PORT=1\nSAME=1\nOTHER=xx\n", "a.env")
    two = file("REDIS_HOST=b\nMETRICS_PORT=2\nSAME=1\nOTHER=yyy\n", "b.env")
    copy = file("SAME=9", "b.env.bak")
    results = contradictions([one, two, copy], NAMES)
    assert [(r.subject, r.severity.value, r.evidence) for r in results] == [
        ("REDIS_HOST", "P1", ("a: a.env", "b: b.env")),
        ("OTHER", "P2", ("2 characters: a.env", "3 characters: b.env")),
    ]


def test_what_could_not_be_read_is_unknown_and_no_pass():
    unread = replace(file("", "x.env"), text=None, unread="Permission denied")
    assert {v for name in ("env.syntax", "env.secrets") for v, *_ in found(name, unread)} == {
        "unknown"
    }
    (result,) = contradictions([unread, file("A=1")], NAMES)
    assert result.verdict is Verdict.UNKNOWN
    assert copies([], NAMES) == [], "nothing looked at is left to run_checks to fail"


def test_owner_and_reader():
    mine, other = file("A=1", owner="qt"), file("A=1", owner="eve")
    assert [r.verdict.value for r in owners([mine, other], "qt")] == ["pass", "warn"]
    readers = [file("A=1", user_can_read=can) for can in (True, False)]
    assert [r.verdict.value for r in readable(readers, "qt")] == ["pass", "warn"]


@pytest.mark.parametrize(
    ("one", "two", "edits"),
    [("", "", 0), ("ab", "", 2), ("abc", "abd", 1), ("abcd", "acbd", 1), ("kitten", "sitting", 3)],
)
def test_distance(one, two, edits):
    assert distance(one, two) == distance(two, one) == edits


def test_closest_leaves_short_and_far_names_alone():
    assert closest("GOV_MDOE", {"GOV_MODE", "OTHER"}) == "GOV_MODE"
    assert closest("MODE", {"MODES"}) == ""
    assert closest("GOV_MAXIMUM", {"GOV_MODE"}) == ""
