"""Secrets reach neither stdout nor stderr, in text, JSON, errors or tracebacks."""

import pytest

from qtops.cli.output import jsonable
from qtops.cli.redaction import Disclosed, Redactor

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"

LEAKS = {
    "password-in-redis-url": ("redis://ops:hunter2@h:6379/0", "hunter2"),
    "password-without-user": ("redis://:hunter2@h", "hunter2"),
    "password-with-slash-and-at": ("rediss://:hun/te@r2@h/0", "te@r2"),
    "password-for-sentinel": ("redis+sentinel://:hunter2@h1,h2/svc/0", "hunter2"),
    "password-for-http": ("https://u:hunter2@example.org/x", "hunter2"),
    "signed-query": ("/fapi/v1/order?symbol=X&signature=c0ffee12&x=1", "c0ffee12"),
    "signature-in-json-text": ('{"signature": "c0ffee12"}', "c0ffee12"),
    "api-key-header": ("X-MBX-APIKEY: abc123", "abc123"),
    "password-assignment": ("REDIS_PASSWORD x password=hunter2", "hunter2"),
    "api-secret-assignment": ("api_secret=hunter2", "hunter2"),
    "env-line": ("BINANCE_API_KEY=abc123 in x.env", "abc123"),
    "password-variable": ("REDIS_PASSWORD=hunter2", "hunter2"),
    "bearer-token": ("Authorization: Bearer abc123", "abc123"),
    "exit-token": ("X-Exit-Token: abc123", "abc123"),
    "exchange-key-shape": (f"key {KEY} refused", KEY),
}


@pytest.mark.parametrize(("text", "secret"), LEAKS.values(), ids=LEAKS.keys())
@pytest.mark.parametrize("mode", [[], ["--json"], ["-v"]], ids=["text", "json", "verbose"])
def test_what_looks_secret_is_masked_everywhere(fake, text, secret, mode):
    run = fake("leaks", text, *mode)
    assert secret not in run.out + run.err
    assert "***" in run.out
    assert "***" in run.err


@pytest.mark.parametrize("name", ["BINANCE_API_SECRET", "QTOPS_PERMIT_KEY", "REDIS_PASSWORD"])
@pytest.mark.parametrize("mode", [[], ["--json"]], ids=["text", "json"])
def test_values_of_secret_settings_are_masked(fake, name, mode):
    run = fake("leaks", "a hunter2 b", *mode, environ={name: "hunter2"})
    assert "hunter2" not in run.out + run.err


def test_secrets_from_files_and_options_are_masked_once_settings_are_read(shell):
    (shell.home / "work/qtops.toml").write_text('permit_key = "hunter2"\n')
    (shell.home / "work/qtops.toml").chmod(0o600)
    run = shell("--redis", "redis://:pass%40word@h", "config", "show", "--json")
    assert run.code == 0
    for secret in ("hunter2", "pass%40word", "pass@word"):
        assert secret not in run.out + run.err


def test_a_usage_error_does_not_repeat_a_secret(fake):
    assert "hunter2" not in fake("works", "--count", "redis://:hunter2@h").err


@pytest.mark.parametrize(
    "text",
    [
        "redis://127.0.0.1:6379/0",
        "https://fapi.binance.com/fapi/v1/time",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "exit_hardproof_TRXUSDT_R1_20260127T013422Z",
        "signature does not match",
    ],
)
def test_what_is_no_secret_stays(text):
    assert Redactor()(text) == text


def test_a_value_shown_on_purpose_stays():
    assert Redactor(["hunter2"])(Disclosed("hunter2")) == "hunter2"


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("api_secret", "x", True),
        ("binance_api_key", "x", True),
        ("password", "x", True),
        ("password", "", False),
        ("api_key", Disclosed("x"), False),
        ("signature", "c0ffee" * 8, True),
        ("signature", "U1NIU0lH-base64-of-ssh", False),
        ("secrets_found", "3", False),
        ("key", "quantum:permit:p33:X", False),
        ("token_count", "3", False),
    ],
)
def test_json_fields_are_masked_by_name(name, value, masked):
    assert jsonable({name: value}, Redactor()) == {name: "***" if masked else value}


def test_a_very_short_secret_does_not_blank_out_everything():
    assert Redactor(["1"])("10 of 11") == "10 of 11"


def test_the_longer_of_two_secrets_is_masked_whole():
    assert Redactor(["hunter", "hunter2000"])("hunter2000") == "***"
