"""Every documented code has one class; HTTP decides where no code does."""

import re

import pytest

from qtops.contracts.environment import Environment, environment_of
from qtops.contracts.venue_errors import STATUS_OUTCOMES, VENUE_ERRORS, classify
from qtops.errors import OutcomeClass

FINAL = OutcomeClass.FINAL
UNKNOWN = OutcomeClass.UNKNOWN
RETRY = OutcomeClass.RETRY
RESYNC = OutcomeClass.RESYNC
ALREADY = OutcomeClass.ALREADY
HALT = OutcomeClass.HALT

# Written from the reference by hand, independent of the table under test.
DOCUMENTED = {
    FINAL: "1004 1005 1010 1013 1014 1020 1023 1100 1101 1102 1103 1104 1105 1106 1111 1115 1116 "
    "1117 1118 1119 1120 1121 1122 1125 1127 1128 1130 1136 2010 2018 2019 2020 2021 2022 2024 "
    "2025 2026 2027 2028 4001 4002 4003 4004 4005 4013 4014 4015 4016 4021 4023 4024 4028 4029 "
    "4030 4031 4045 4047 4048 4050 4051 4054 4055 4060 4062 4067 4068 4082 4105 4106 4107 4118 "
    "4120 4131 4135 4136 4137 4138 4140 4141 4142 4161 4164 4168 4183 4184 4202 4203 4204 4205 "
    "4206 4207 4208 4209 4411 4531 5000 5021 5022 5024 5025 5026 5029 5037 5038 5039 5040 5041 "
    "5043 5047",
    UNKNOWN: "1000 1001 1006 1007 1008 2011 2012 4083 4116 4117",
    RETRY: "1003 1015 1112 2013",
    RESYNC: "1021 5028",
    ALREADY: "4046 4059 4171 5027",
    HALT: "1002 1011 1016 1022 1099 1109 2014 2015 2016 2017 2023 4061 4087 4088 4109 4189 4192 "
    "4400 4401 4402 4403",
}
EXPECTED = {-int(code): outcome for outcome, codes in DOCUMENTED.items() for code in codes.split()}


@pytest.mark.parametrize(("code", "outcome"), sorted(EXPECTED.items()))
def test_a_documented_code_has_its_documented_class(code, outcome):
    assert classify(400, code, "any text", is_order=True) is outcome


def test_the_table_holds_the_documented_codes_and_nothing_else():
    assert set(VENUE_ERRORS) == set(EXPECTED)


def test_every_row_is_complete():
    for code, row in VENUE_ERRORS.items():
        assert row.code == code
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+", row.name), row
        assert row.meaning
    names = [row.name for row in VENUE_ERRORS.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("status", "code", "message", "outcome"),
    [
        pytest.param(None, None, "", UNKNOWN, id="no-response"),
        pytest.param(200, None, "<html>", UNKNOWN, id="unparsable-success"),
        pytest.param(302, None, "", UNKNOWN, id="redirect"),
        pytest.param(400, None, "<html>", UNKNOWN, id="unparsable-4xx"),
        pytest.param(400, -9999, "new rule", FINAL, id="unknown-code-on-4xx"),
        pytest.param(499, -9999, "new rule", FINAL, id="unknown-code-at-the-end-of-4xx"),
        pytest.param(500, -9999, "new rule", UNKNOWN, id="unknown-code-on-5xx"),
        pytest.param(200, -2019, "Margin is insufficient.", FINAL, id="error-in-a-200"),
        pytest.param(401, None, "<html>", HALT, id="401"),
        pytest.param(403, None, "<html>", HALT, id="403-waf"),
        pytest.param(404, None, "<html>", FINAL, id="404-page"),
        pytest.param(404, -5000, "Path /x, Method GET is invalid", FINAL, id="404-testnet"),
        pytest.param(408, None, "", UNKNOWN, id="408"),
        pytest.param(408, -9999, "?", UNKNOWN, id="408-with-an-unknown-code"),
        pytest.param(418, None, "<html>", RETRY, id="418-without-json"),
        pytest.param(429, -1003, "Too many requests", RETRY, id="429-weight"),
        pytest.param(429, -1015, "Too many new orders", RETRY, id="429-orders"),
        pytest.param(451, None, "", HALT, id="451-geo"),
        pytest.param(500, None, "", UNKNOWN, id="500"),
        pytest.param(502, None, "<html>", UNKNOWN, id="502"),
        pytest.param(504, None, "<html>", UNKNOWN, id="504"),
        pytest.param(
            503,
            -1000,
            "Unknown error, please check your request or try again later.",
            UNKNOWN,
            id="503-a-unknown",
        ),
        pytest.param(503, None, "Service Unavailable.", RETRY, id="503-b-without-a-code"),
        pytest.param(503, -1000, "Service Unavailable.", RETRY, id="503-b-with-a-code"),
        pytest.param(503, None, " service unavailable", RETRY, id="503-b-other-spelling"),
        pytest.param(
            503,
            None,
            "<html><title>503 Service Unavailable</title>",
            UNKNOWN,
            id="503-of-a-proxy-proves-nothing",
        ),
        pytest.param(503, -1001, "Internal error", UNKNOWN, id="503-c"),
        pytest.param(503, -1008, "Server is currently overloaded", UNKNOWN, id="503-throttled"),
        pytest.param(500, None, "Service Unavailable.", UNKNOWN, id="the-text-counts-at-503-only"),
    ],
)
def test_http_decides_where_the_code_does_not(status, code, message, outcome):
    assert classify(status, code, message, is_order=True) is outcome


def test_a_read_has_no_unknown_effect_and_is_otherwise_classed_like_an_order():
    for status in (None, 200, 400, 404, 429, 500, 503):
        for code in (None, -9999, *VENUE_ERRORS):
            order = classify(status, code, "", is_order=True)
            read = classify(status, code, "", is_order=False)
            assert read is (RETRY if order is UNKNOWN else order), (status, code)


def test_no_status_of_the_server_claims_that_nothing_happened():
    assert all(status < 500 for status in STATUS_OUTCOMES)


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("https://fapi.binance.com", "mainnet"),
        ("https://FAPI.Binance.com.:443/fapi", "mainnet"),
        ("https://fapi3.binance.com", "mainnet"),
        ("https://api.binance.com", "mainnet"),
        ("https://binance.com", "mainnet"),
        ("https://demo-fapi.binance.com@fapi.binance.com", "mainnet"),
        ("https://demo-fapi.binance.com", "testnet"),
        ("https://testnet.binancefuture.com", "testnet"),
        ("http://127.0.0.1:8080", "sandbox"),
        ("http://127.8.0.1", "sandbox"),
        ("http://[::1]:8080/", "sandbox"),
        ("http://localhost:1", "sandbox"),
        ("http://127.0.0.1.evil.example", "other"),
        ("https://demo-fapi.binance.com.evil.example", "other"),
        ("https://notbinance.com", "other"),
        ("http://exchange:8080", "other"),
        ("http://0.0.0.0:80", "other"),
        ("http://[broken", "other"),
        ("fapi.binance.com", "other"),
        ("", "other"),
    ],
)
def test_the_host_alone_decides_the_environment(url, environment):
    assert environment_of(url) == environment


def test_an_unknown_host_is_not_play_money():
    assert [e for e in Environment if e.is_play_money] == ["testnet", "sandbox"]
