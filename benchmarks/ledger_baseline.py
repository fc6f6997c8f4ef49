"""The shape of the original append, for comparison: `ledger_baseline.py PAGE NAME`.

It asks git, reads the page three times (is it there, the next number, the insertion), joins texts
to YAML and writes the page whole, without a lock or a rename. Standard library only, as it was.
"""

import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def next_id(page: Path, day: str) -> str:
    numbers = [int(n) for n in re.findall(rf"operation_id: OPS-{day}-(\d+)", page.read_text())]
    return f"OPS-{day}-{max(numbers, default=0) + 1:03d}"


def is_there(page: Path, operation_id: str) -> bool:
    return f"operation_id: {operation_id}" in page.read_text()


def insert(page: Path, month: str, block: str) -> None:
    text = page.read_text()
    heading = f"## {month}\n"
    if heading in text:
        text = text.replace(heading, f"{heading}\n{block}", 1)
    else:
        head, separator, rest = text.partition("\n")
        text = f"{head}{separator}\n{heading}\n{block}{rest}"
    page.write_text(text)


def append(page: Path, name: str, now: datetime, commit: str = "-", branch: str = "-") -> None:
    day, moment = now.strftime("%Y-%m-%d"), now.isoformat()
    operation_id = next_id(page, day)
    if is_there(page, operation_id):
        return
    fields = {
        "operation_id": operation_id,
        "operation_name": name,
        "requested_by": "SELF",
        "approved_by": "SELF",
        "approval_timestamp": moment,
        "execution_timestamp": moment,
        "git_commit": commit,
        "git_branch": branch,
        "hostname": socket.gethostname(),
        "risk_class": "READ_ONLY",
        "blast_radius": "none",
        "changes_summary": "s",
        "objective": "o",
        "outcome": "SUCCESS",
    }
    lines = "".join(f"{field}: {value}\n" for field, value in fields.items())
    insert(page, day[:7], f"```yaml\n---\n{lines}```\n")


if __name__ == "__main__":
    append(
        Path(sys.argv[1]),
        sys.argv[2],
        datetime.now(UTC),
        git("rev-parse", "--short=8", "HEAD"),
        git("rev-parse", "--abbrev-ref", "HEAD"),
    )
