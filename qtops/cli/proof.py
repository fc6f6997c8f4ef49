"""`qtops proof`: evidence that something really happened, checked against the exchange."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Column, Mark, Printer, Tinted
from qtops.cli.proof_order_id import register
from qtops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from qtops.contracts.environment import Environment
    from qtops.proofs.exit_proof import ExitProof
    from qtops.reports.artifacts import Artifacts
    from qtops.settings.model import Settings

app = command_group()
register(app)

_VERDICT_MARKS = {"FILLED": Mark.OK, "REJECTED_EXPECTED": Mark.OK, "FAILED": Mark.FAIL}


@app.command("exit")
def exit_(
    *,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How many rounds.")] = 3,
    symbols: Annotated[
        str, typer.Option(help="Symbols allowed, comma separated; default: the executor's list.")
    ] = "",
    fraction: Annotated[
        str, typer.Option(help="Share of each position to close, above 0 and at most 1.")
    ] = "0.5",
    out: Annotated[
        Path | None, typer.Option(help="Directory for the report; default under artifacts/.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, max=600, help="Seconds to wait for each result.")
    ] = 30.0,
    allow_mainnet: Annotated[
        bool, typer.Option("--allow-mainnet", help="Real money; asks for a typed confirmation.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plans that would be published.")
    ] = False,
) -> None:
    """Prove that exits work: real plans through the real gates, checked at the exchange.

    One round for each open position (smallest first), then negative controls that must be refused.
    The intent bridge is paused under a lease that lapses by itself.

    Example: qtops proof exit --rounds 3

    Exit codes: 0 all as expected; 3 not proven; 1 error; 4 refused (mainnet, another proof).
    """
    import asyncio

    env = current()
    request = _request(env.settings(), rounds, symbols, fraction, timeout)
    if allow_mainnet and not request.environment.is_play_money:
        env.confirm_typed(
            "This sends real orders. Type the environment's name to go on.",
            request.environment.value,
        )
    request = _with_mainnet(request, allow=allow_mainnet)
    if dry_run:
        _emit_dry_run(env, request, asyncio.run(_specs(env.settings(), request)))
        return
    proof = asyncio.run(_prove(env, request))
    artifacts = _write(env, proof, out)
    _emit(env, proof, artifacts)


def _request(settings: "Settings", rounds: int, symbols: str, fraction: str, timeout: float) -> Any:
    from qtops.contracts.environment import environment_of
    from qtops.contracts.values import parse_decimal, parse_symbol
    from qtops.errors import DecodeError
    from qtops.proofs.exit_proof import ProofRequest

    words = [w for w in symbols.split(",") if w.strip()]
    try:
        share = parse_decimal(fraction, "--fraction")
        chosen = tuple(parse_symbol(w, "--symbols") for w in words)
    except DecodeError as error:
        raise UsageError(error.message) from error
    if not 0 < share <= 1:
        raise UsageError(f"--fraction {fraction}: above 0 and at most 1")
    environment: Environment = environment_of(settings.text("QTOPS_EXCHANGE_URL"))
    return ProofRequest(
        rounds=rounds,
        allowed=chosen or settings.names("INTENT_EXECUTOR_ALLOWLIST"),
        fraction=share,
        namespace=settings.text("QTOPS_NAMESPACE"),
        environment=environment,
        timeout_s=timeout,
    )


def _with_mainnet(request: Any, *, allow: bool) -> Any:
    from dataclasses import replace

    return replace(request, allow_mainnet=allow)


async def _prove(env: AppContext, request: Any) -> "ExitProof":
    from qtops.proofs.exit_proof import prove_exits
    from qtops.wiring import open_bench, open_venue

    settings = env.settings()
    bench, venue = open_bench(settings), open_venue(settings)
    try:
        with env.progress("exit proof") as progress:
            return await prove_exits(request, bench, venue, progress.step)
    finally:
        await bench.aclose()
        await venue.aclose()


async def _specs(settings: "Settings", request: Any) -> list[Any]:
    from qtops.proofs.exit_proof import refuse_real_money
    from qtops.proofs.rounds import plan_rounds
    from qtops.wiring import open_venue

    refuse_real_money(request)
    venue = open_venue(settings)
    try:
        await venue.sync_clock()
        positions, filters = await venue.positions(), await venue.filters()
    finally:
        await venue.aclose()
    return plan_rounds(positions, filters, request.allowed, request.rounds, request.fraction)


def _emit_dry_run(env: AppContext, request: Any, specs: list[Any]) -> None:
    from qtops.proofs.rounds import plan_of

    plans = [plan_of(spec, "DRYRUN").to_fields() for spec in specs]

    def text(out: Printer) -> None:
        out.verdict(None, "dry run", f"{len(plans)} plans would be published, nothing was")
        for plan in plans:
            out.line("  " + " ".join(f"{name}={value}" for name, value in plan.items()))

    payload = {"environment": request.environment.value, "plans": plans}
    emit(env, CommandResult("qtops.proof.exit.dry-run/v1", "dry_run", ExitCode.OK, payload, text))


def _write(env: AppContext, proof: "ExitProof", out: Path | None) -> "Artifacts":
    import json

    from qtops.proofs.exit_payload import payload_of
    from qtops.reports.artifacts import write_artifacts

    directory = out or env.host.cwd / "artifacts" / f"exit-proof-{proof.stamp}"
    lines = [json.dumps(event, ensure_ascii=False) for event in proof.events]
    events = "".join(env.redact(line) + "\n" for line in lines)
    return write_artifacts(directory, payload_of(proof), {"events.jsonl": events})


def _emit(env: AppContext, proof: "ExitProof", artifacts: "Artifacts") -> None:
    from qtops.proofs.exit_payload import payload_of

    payload = payload_of(proof) | {"artifacts": str(artifacts.directory)}

    def text(out: Printer) -> None:
        mark, words = (Mark.OK, "proven") if proof.proven else (Mark.FAIL, "not proven")
        seconds = Decimal(payload["duration_ms"]) / 1000
        out.verdict(
            mark, words, _summary(payload), context=f"{payload['environment']}  {seconds} s"
        )
        out.table(_COLUMNS, [_row(r) for r in payload["rounds"]])
        _findings(out, payload)
        out.line(f"report   {artifacts.html}")

    status = "proven" if proof.proven else "not_proven"
    code = ExitCode.OK if proof.proven else ExitCode.NO_PROOF
    emit(env, CommandResult("qtops.proof.exit/v1", status, code, payload, text))


_COLUMNS = [
    Column("#", "right"),
    Column("symbol"),
    Column("side"),
    Column("asked", "right"),
    Column("filled", "right"),
    Column("order"),
    Column("permits", "right"),
    Column("order", "right"),
    Column("result", "right"),
    Column("verdict"),
]


def _row(finished: dict[str, Any]) -> list[Any]:
    times = finished["timeline_ms"]
    verdict = finished["verdict"]
    words = f"{verdict}  {finished['reason']}".strip()
    return [
        finished["round"],
        finished["symbol"],
        finished["side"],
        finished["requested_qty"],
        finished["filled_qty"] or None,
        finished["order_id"] or None,
        *(_tenths(times.get(name)) for name in ("permits", "answered", "settled")),
        Tinted(words, _VERDICT_MARKS[verdict]),
    ]


def _tenths(ms: str | None) -> str | None:
    return f"{Decimal(ms).quantize(Decimal('0.1'))} ms" if ms else None


def _summary(payload: dict[str, Any]) -> str:
    counts = payload["counts"]
    parts = [
        f"{_many(counts['FILLED'], 'exit')} filled",
        f"{_many(counts['REJECTED_EXPECTED'], 'negative control')} refused as expected",
    ]
    if counts["FAILED"]:
        parts.insert(0, f"{_many(counts['FAILED'], 'round')} failed")
    return ", ".join(parts)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _findings(out: Printer, payload: dict[str, Any]) -> None:
    for finished in payload["rounds"]:
        if finished["missing_permits"] and finished["verdict"] == "FAILED":
            gates = ", ".join(finished["missing_permits"])
            out.finding(
                Mark.FAIL,
                f"round {finished['round']}: no permit from {gates}",
                f"qtops audit permits --plan-id {finished['plan_id']}",
            )
    silent = [name for name, alive in payload["services"].items() if not alive]
    if silent:
        out.finding(Mark.FAIL, f"no heartbeat: {', '.join(silent)}", f"qtops run {silent[0]}")
    if payload["rounds_run"] < payload["rounds_requested"]:
        asked, run = payload["rounds_requested"], payload["rounds_run"]
        out.finding(Mark.WARN, f"{run} of {asked} rounds: no more symbols are allowed")
    if payload["counts"]["FAILED"] == 0:
        out.line("the exchange agrees with every result")
    if payload["bridge_resumed"]:
        out.line("intent bridge resumed")
    else:
        out.finding(Mark.FAIL, "the intent bridge is still paused; its lease lapses by itself")
