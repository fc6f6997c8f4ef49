"""The exchange's own test vectors, and the bytes that are signed."""

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from qtops.adapters.binance.signing import encode, signature, signed

SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"


def test_the_documented_vector_of_a_query():
    params = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": "1",
        "price": "9000",
        "timeInForce": "GTC",
        "recvWindow": "5000",
        "timestamp": "1591702613943",
    }
    expected = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    assert signature(SECRET, encode(params)) == expected
    assert signed(params, SECRET) == f"{encode(params)}&signature={expected}"


def test_the_corrected_vector_of_query_and_body_without_a_separator():
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
    body = "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943"
    assert (
        signature(SECRET, query + body)
        == "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4"
    )


def test_only_unreserved_characters_stay_as_they_are():
    assert encode({"a": "A.:/_-~ +&=%", "s": "币"}) == "a=A.%3A%2F_-~%20%2B%26%3D%25&s=%E5%B8%81"


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1)))
def test_what_is_encoded_can_be_read_back(params):
    encoded = encode(params)
    assert encoded.isascii()
    assert dict(parse_qsl(encoded)) == params
