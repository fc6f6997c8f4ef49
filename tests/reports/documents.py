"""Documents as commands write them, with what an attacker may put into a plan id."""

EVIL = '<img src=x onerror="alert(1)">](http://evil.example)|`\n\u202e'


def envelope(schema, status="ok", exit_code=0):
    return {
        "schema": schema,
        "timestamp": "2026-01-27T01:34:22.123Z",
        "status": status,
        "exit_code": exit_code,
    }


def hop(name, state="seen", since_us=None, latency_us=None, *, refused=False, reason=""):
    return {
        "name": name,
        "state": state,
        "refused": refused,
        "at_us": since_us,
        "since_plan_us": since_us,
        "latency_us": latency_us,
        "reason": reason,
        "detail": "",
    }


def trace(plan_id="abc"):
    plan = {
        "plan_id": plan_id,
        "symbol": "BTCUSDT",
        "outcome": "refused",
        "verdict": "refused by position gate: no_position",
        "first_break": "position gate",
        "hops": [
            hop("intent", "unknown"),
            hop("plan", since_us=0),
            hop("governor", since_us=1500, latency_us=1500),
            hop("position gate", since_us=2500, latency_us=2500, refused=True, reason="no_pos"),
            hop("order", "not reached"),
            hop("result", since_us=4000, latency_us=1500),
        ],
    }
    filters = {"plan_id": plan_id, "symbol": None, "order_id": None}
    rest = {"filters": filters, "plans": [plan], "partial": True, "partial_figures": ["dlq"]}
    return envelope("qtops.trace/v1", "refused") | rest


def refusals():
    row = {"first": "2026-01-27T01:00:00Z", "last": "2026-01-27T01:30:00Z", "example": EVIL}
    return envelope("qtops.trace.refusals/v1", "refused") | {
        "window": {"since": "2026-01-27T00:34:22Z", "until": "2026-01-27T01:34:22Z"},
        "symbol": None,
        "plans": 40,
        "refused": 37,
        "executed": 3,
        "undecided": 0,
        "undecodable": 0,
        "refusals": [
            {"gate": "governor", "reason": "kill_halted", "plans": 30} | row,
            {"gate": "position gate", "reason": EVIL, "plans": 7} | row,
        ],
        "partial": False,
        "partial_figures": [],
    }


def error():
    fault = {"code": "redis_unreachable", "message": "Redis is away", "hint": "start it"}
    return envelope("qtops.error/v1", "error", 1) | {"error": fault}


def unknown():
    return envelope("qtops.audit.moons/v3", "degraded", 2) | {
        "summary": "2 of 3 moons shine",
        "took_ms": 12,
        "moons": [
            {"name": "Io", "status": "ok", "mass": "8.9", "craters": [{"d_m": 5}, {"d_m": 7}]},
            {"name": EVIL, "status": "fail", "mass": "4.8", "craters": []},
        ],
        "notes": ["one", "two"],
        "orbit": {"a": {"b": {"c": {"d": [1, [2, [3]]]}}}},
        "text": "first " * 20 + "\n```\nsecond",
        EVIL: True,
    }


ALL = {"trace": trace(EVIL), "refusals": refusals(), "error": error(), "unknown": unknown()}
