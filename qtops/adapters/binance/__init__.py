"""Binance USD-M futures over HTTP: signing and decoding are pure, `client` sends."""
