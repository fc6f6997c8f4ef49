"""Signatures with `ssh-keygen -Y` over an entry's hash, and who counts as a second person."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from qtops.errors import HostError
from qtops.ledger.chain import Fault
from qtops.ledger.entry import Entry
from qtops.ledger.rules import Policy

NAMESPACE: Final = "qtops-ledger@v1"
_LIMIT_S: Final = 20


def sign(entry_hash: str, key: Path) -> str:
    """The armoured signature. A key with a passphrase must be in the agent: nothing is asked."""
    done = _keygen(["-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE], entry_hash)
    if done.returncode:
        raise HostError(f"ssh-keygen could not sign with {key}: {_last_line(done)}")
    return done.stdout


def signature_fault(signed: dict[str, Any], entry_hash: str, allowed: Path) -> str:
    """Empty when the signature holds, at the time it was made."""
    moment = "".join(c for c in str(signed.get("signed_at", "")) if c.isdigit())
    identity = str(signed.get("identity", ""))
    with tempfile.NamedTemporaryFile("w", suffix=".sig") as stream:
        stream.write(str(signed.get("signature", "")))
        stream.flush()
        words = ["-Y", "verify", "-f", str(allowed), "-I", identity, "-n", NAMESPACE]
        done = _keygen([*words, "-s", stream.name, f"-Overify-time={moment}Z"], entry_hash)
    return f"signature of {identity} does not hold: {_last_line(done)}" if done.returncode else ""


def signature_faults(entries: Sequence[Entry], allowed: Path, policy: Policy) -> list[Fault]:
    """Every signature that does not hold, and every entry that lacks one the policy wants."""
    faults = []
    for entry in entries:
        where, valid = str(entry["operation_id"]), set()
        for signed in entry.get("signatures", ()):
            fault = signature_fault(signed, str(entry["entry_hash"]), allowed)
            if fault:
                faults.append(Fault(where, fault))
            else:
                valid.add(str(signed["identity"]).casefold())
        others = valid - {str(entry.get("requested_by", "")).casefold()}
        if policy.wants_approval(str(entry.get("risk_class"))) and not others:
            faults.append(Fault(where, "is approved by nobody but its requester"))
    return faults


def _keygen(words: Sequence[str], message: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            ["ssh-keygen", *words],  # noqa: S607  the operator's own, by PATH
            input=f"{message}\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT_S,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"ssh-keygen did not run: {error}") from error


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1].strip() if lines else f"exit {done.returncode}"
