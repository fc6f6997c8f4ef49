"""qtops: operations toolkit and trading gates for Binance USD-M futures."""

__version__ = "0.1.0"
