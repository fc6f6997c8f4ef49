"""`qtops drill`: what happens when it must be stopped, tried where nothing can be lost."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Column, Mark, Printer, Tinted
from qtops.cli.spans import parse_span
from qtops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.contracts.drill import Fault
    from qtops.proofs.flatten import Flattening
    from qtops.proofs.kill_drill import DrillRound

app = command_group()

SCHEMA = "qtops.drill.kill/v1"


@app.callback()
def drill() -> None:
    """A group, also while it has one command."""


@app.command("kill")
def kill(
    *,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Kills for each fault.")] = 1,
    faults: Annotated[
        str, typer.Option(help="Faults of the exchange, comma separated; default: all.")
    ] = "",
    timeout: Annotated[str, typer.Option(help="How long closing may take.")] = "30s",
) -> None:
    """Whether the stop stops: a kill under load and faults, in a fresh sandbox each.

    After the kill is acknowledged no order may be admitted, and the account must end flat. It
    makes its own sandboxes and touches nothing else.

    Example: qtops drill kill --faults latency,timeout

    Exit codes: 0 every kill held; 1 error; 3 one did not; 64 usage.
    """
    env = current()
    chosen = _faults(faults)
    timeout_s = parse_span(timeout, "--timeout") / 1000
    done: list[DrillRound] = []
    total = rounds * len(chosen)
    with env.progress("kill drill") as progress:
        for number in range(total):
            progress.step(number, total)
            done.append(_round(env, chosen[number % len(chosen)], timeout_s))
    _emit(env, done)


def _faults(text: str) -> "list[Fault]":
    from qtops.proofs.kill_drill import FAULTS

    names = list(dict.fromkeys(w.strip() for w in text.split(","))) if text else list(FAULTS)
    if unknown := [name for name in names if name not in FAULTS]:
        raise UsageError(f"--faults: no fault {unknown[0]!r}; there are {', '.join(FAULTS)}")
    return [FAULTS[name] for name in names]


def _round(env: AppContext, fault: "Fault", timeout_s: float) -> "DrillRound":
    from qtops.cli.sandbox_session import Wanted, inside, new_sandbox
    from qtops.proofs.kill_drill import LOAD_SETTINGS

    with inside(env, new_sandbox(env, Wanted(settings=LOAD_SETTINGS)), "qtops drill"):
        return asyncio.run(_kill_under_load(env, fault, timeout_s))


async def _kill_under_load(env: AppContext, fault: "Fault", timeout_s: float) -> "DrillRound":
    from qtops.audits.permits import Budget
    from qtops.audits.stop_switches import SWEEP_MS, orders_on_their_way
    from qtops.cli.kill_flatten import flatten_account, halt
    from qtops.proofs.kill_drill import drill_round
    from qtops.wiring import open_bench, open_sandbox_control, open_venue
    from qtops.wiring.operator import control_store

    settings = env.settings()
    bench, venue = open_bench(settings), open_venue(settings)

    async def stop(seen: "DrillRound") -> "Flattening":
        halted = await halt(store, "drill", f"drill {fault.name}")
        seen.acknowledged_us = await bench.now_us()
        budget = Budget(env.host.clock, SWEEP_MS)
        seen.named, _ = await orders_on_their_way(store, budget)
        seen.swept_us = await bench.now_us()
        return await flatten_account(env, halted, timeout_s, venue, store)

    try:
        async with control_store(settings) as store, open_sandbox_control(settings) as control:
            return await drill_round(fault, bench, control, stop, settings.text("QTOPS_NAMESPACE"))
    finally:
        await bench.aclose()
        await venue.aclose()


def _emit(env: AppContext, done: "list[DrillRound]") -> None:
    from qtops.cli.kill_flatten import payload_of

    held = [seen for seen in done if seen.verdict == "held"]
    is_held = len(held) == len(done)
    payload = {
        "rounds": [
            {
                "fault": seen.fault,
                "verdict": seen.verdict,
                "orders_before": seen.orders_before,
                "on_their_way": len(seen.named),
                "admitted_after": seen.admitted_after,
                **payload_of(seen.flattening),
            }
            for seen in done
        ]
    }

    def text(out: Printer) -> None:
        mark, word = (Mark.OK, "held") if is_held else (Mark.FAIL, "not held")
        out.verdict(
            mark, word, f"{len(held)} of {len(done)} kills stopped every order and ended flat"
        )
        out.table(_COLUMNS, [_row(seen) for seen in done])
        for seen in done:
            if seen.verdict != "held":
                again = f"qtops drill kill --faults {seen.fault} --json"
                out.finding(Mark.FAIL, f"{seen.fault}: {seen.verdict}", again)

    code = ExitCode.OK if is_held else ExitCode.NO_PROOF
    emit(env, CommandResult(SCHEMA, "held" if is_held else "not_held", code, payload, text))


_COLUMNS = [
    Column("fault"),
    Column("orders before", "right"),
    Column("on their way", "right"),
    Column("last order ms", "right"),
    Column("flat ms", "right"),
    Column("verdict"),
]


def _row(seen: "DrillRound") -> list[Any]:
    found = seen.flattening
    mark = Mark.OK if seen.verdict == "held" else Mark.FAIL
    return [
        seen.fault,
        seen.orders_before,
        len(seen.named),
        found.time_to_last_order_ms,
        found.time_to_flat_ms,
        Tinted(seen.verdict, mark),
    ]
