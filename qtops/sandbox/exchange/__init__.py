"""A local exchange that speaks Binance USD-M futures REST (see docs/sandbox-exchange.md).

The pure part (`instruments`, `orders`, `positions`, `margin`, `filters`, `intake`, `engine`)
takes the time as an argument and knows no HTTP. `journal` makes it durable, `wire_*` gives it
Binance's JSON shapes, `*_api` its paths, `gateway` authenticates, limits, injects faults.
"""
