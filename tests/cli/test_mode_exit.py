"""`qtops mode exit`: shown, asked for, recorded."""

import pytest

from qtops.contracts.codec import decode_fields

KEY = "quantum:exit:mode"
AUDIT = "quantum:stream:control.audit"


@pytest.fixture
def mode(shell, server, db):
    def run(*argv, **rest):
        return shell("mode", "exit", *argv, environ={"QTOPS_REDIS_URL": server.url}, **rest)

    return run


@pytest.mark.parametrize(
    ("word", "shown", "code"),
    [(None, "shadow", 0), ("enforce", "enforce", 0), ("banana", "shadow", 2)],
)
def test_get_says_which_mode_holds(db, mode, word, shown, code):
    if word is not None:
        db.set(KEY, word)
    document = mode("get", "--json").document
    assert (document["mode"], document["exit_code"]) == (shown, code)
    assert (document["set"], document["stored"]) == (word is not None, word)
    assert mode("get").code == code


def test_set_asks_and_is_recorded(db, mode):
    assert mode("set", "enforce").code == 4  # nobody there to be asked
    assert mode("set", "enforce", "--dry-run").code == 0
    assert db.exists(KEY, AUDIT) == 0
    run = mode("set", "ENFORCE", "--yes", "--by", "ops", "--reason", "clean week")
    assert run.code == 0
    assert "was not set, by ops" in run.out
    assert db.get(KEY) == b"enforce"
    [(_, entry)] = db.xrange(AUDIT)
    assert decode_fields(entry) | {"at_ms": ""} == {
        "switch": "exit mode",
        "value": "enforce",
        "previous": "",
        "by": "ops",
        "at_ms": "",
        "reason": "clean week",
    }


def test_a_wrong_word_is_64(mode):
    assert mode("set", "on").code == 64
