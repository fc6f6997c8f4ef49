"""`qtops proof`: evidence that something really happened, checked against the exchange."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.options import command_group
from qtops.cli.output import CommandResult, emit
from qtops.cli.printer import Column, Mark, Printer, Tinted
from qtops.cli.proof_chain import register as register_chain
from qtops.cli.proof_order_id import register
from qtops.cli.proof_universe import register as register_universe
from qtops.errors import ConfigError, ExitCode, UsageError, VenueError

if TYPE_CHECKING:
    from qtops.contracts.environment import Environment
    from qtops.proofs.exit_proof import ExitProof
    from qtops.reports.artifacts import Artifacts
    from qtops.settings.model import Settings

app = command_group()
register(app)
register_universe(app)
register_chain(app)

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

    Exit codes: 0 all as expected; 3 not proven, or no position to prove it with; 1 error; 4 refused
    (mainnet, another proof); 64 usage.
    """
    import asyncio

    env = current()
    request = _request(env.settings(), rounds, symbols, fraction, timeout)
    if allow_mainnet and not request.environment.is_play_money:
        env.confirm_typed(
            f"This sends real orders to {env.settings().text('QTOPS_EXCHANGE_URL')}.",
            request.environment.value,
        )
    request = _with_mainnet(request, allow=allow_mainnet)
    _refuse_before_sending(env, request, None if dry_run else _directory(env, out, "STAMP"))
    try:
        if dry_run:
            _emit_dry_run(env, request, asyncio.run(_specs(env.settings(), request)))
            return
        proof = asyncio.run(_prove(env, request))
    except VenueError as error:
        raise _located(env, error) from error
    _emit(env, proof, _write(env, _directory(env, out, proof.stamp), proof))


def _request(settings: "Settings", rounds: int, symbols: str, fraction: str, timeout: float) -> Any:
    from qtops.contracts.environment import environment_of
    from qtops.contracts.values import parse_decimal, parse_symbol
    from qtops.errors import DecodeError
    from qtops.proofs.exit_proof import ProofRequest

    words = [w.strip() for w in symbols.split(",")] if symbols else []
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
        named=bool(chosen),
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
    from qtops.proofs.exit_proof import specs_of
    from qtops.wiring import open_venue

    venue = open_venue(settings)
    try:
        return await specs_of(request, venue)
    finally:
        await venue.aclose()


def _emit_dry_run(env: AppContext, request: Any, specs: list[Any]) -> None:
    from qtops.proofs.rounds import plan_of

    plans = [plan_of(spec, "DRYRUN").to_fields() for spec in specs]

    def text(out: Printer) -> None:
        out.verdict(None, "dry run", f"{len(plans)} plans would be published, nothing was")
        for plan in plans:
            out.line("  " + " ".join(f"{name}={value}" for name, value in plan.items()))

    payload = {"environment": request.environment.value, "plans": plans}
    emit(env, CommandResult("qtops.proof.exit.dry-run/v1", "dry_run", ExitCode.OK, payload, text))


def _refuse_before_sending(env: AppContext, request: Any, directory: Path | None) -> None:
    """What would stop the proof, or lose its evidence, is said before the first order."""
    from qtops.proofs.exit_proof import refuse_real_money
    from qtops.reports.artifacts import refuse_unwritable

    refuse_real_money(request)
    settings = env.settings()
    kind = "BINANCE_TESTNET_API" if settings.boolean("BINANCE_USE_TESTNET") else "BINANCE_API"
    for name in (f"{kind}_KEY", f"{kind}_SECRET"):
        if not settings.secret(name):
            raise ConfigError(
                f"{name} is not set: the exchange cannot be asked", hint=f"set {name}"
            )
    if directory is not None:
        refuse_unwritable(directory)


def _located(env: AppContext, error: VenueError) -> VenueError:
    """The same fault, with the exchange it is about and what to look at."""
    error.message = f"exchange {env.settings().text('QTOPS_EXCHANGE_URL')}: {error.message}"
    error.hint = error.hint or "qtops config show QTOPS_EXCHANGE_URL BINANCE_USE_TESTNET"
    return error


def _directory(env: AppContext, out: Path | None, stamp: str) -> Path:
    return env.host.cwd / (out or Path("artifacts") / f"exit-proof-{stamp}")


def _write(env: AppContext, directory: Path, proof: "ExitProof") -> "Artifacts":
    """The whole set of artifacts of one proof."""
    import json

    from qtops.proofs.exit_payload import payload_of
    from qtops.reports.artifacts import write_artifacts

    lines = [json.dumps(event, ensure_ascii=False) for event in proof.events]
    events = "".join(env.redact(line) + "\n" for line in lines)
    return write_artifacts(directory, payload_of(proof), {"events.jsonl": events})


def _emit(env: AppContext, proof: "ExitProof", artifacts: "Artifacts") -> None:
    from qtops.proofs.exit_payload import payload_of
    from qtops.reports.exit_words import findings_of, tally, verdict_sentence

    payload = payload_of(proof) | {"artifacts": str(artifacts.directory)}
    sentence = tally(payload["counts"]) if proof.proven else verdict_sentence(payload)
    findings = findings_of(payload)

    def text(out: Printer) -> None:
        mark, words = (Mark.OK, "proven") if proof.proven else (Mark.FAIL, "not proven")
        seconds = Decimal(payload["duration_ms"]) / 1000
        out.verdict(mark, words, sentence, context=f"{payload['environment']}  {seconds} s")
        out.table(_COLUMNS, [_row(r) for r in payload["rounds"]])
        for finding in findings:
            out.finding(_FINDING_MARKS[finding.state], finding.text, finding.command)
        if payload["counts"]["FAILED"] == 0:
            out.line("the exchange agrees with every result")
        if payload["bridge_resumed"]:
            out.line("intent bridge resumed")
        out.line(f"report   {_nearby(env, artifacts.html)}")

    status = "proven" if proof.proven else "not_proven"
    code = ExitCode.OK if proof.proven else ExitCode.NO_PROOF
    emit(env, CommandResult("qtops.proof.exit/v1", status, code, payload, text))


def _nearby(env: AppContext, path: Path) -> Path:
    """As short as it can be pasted from here."""
    return path.relative_to(env.host.cwd) if path.is_relative_to(env.host.cwd) else path


_FINDING_MARKS = {"broken": Mark.FAIL, "attention": Mark.WARN}
_COLUMNS = [
    Column("#", "right"),
    Column("symbol"),
    Column("side"),
    Column("asked", "right"),
    Column("filled", "right"),
    Column("order"),
    Column("permits", "right", spare=True),
    Column("→ order", "right", spare=True),
    Column("→ result", "right", spare=True),
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
