"""`qtops install`: units, a line for cron, completion. Files only; nothing is started."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qtops.cli.context import AppContext, current
from qtops.cli.options import DryRun, Yes, command_group
from qtops.cli.placement import place_files
from qtops.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from qtops.contracts.registry import Service
    from qtops.install.units import Host

app = command_group()

SCHEMA = "qtops.install/v1"
_SHELLS = {"bash": "qtops", "zsh": "_qtops", "fish": "qtops.fish"}
_PARTS = ("services", "health")
# ProtectHome and PrivateTmp hide these from the units.
_HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # noqa: S108  not written to

Dest = Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")]
User = Annotated[str, typer.Option(help="System user that runs it; it has to exist.")]
Program = Annotated[
    str, typer.Option(metavar="PATH", help="The qtops to run; default the one that runs now.")
]
Textfile = Annotated[
    str, typer.Option(metavar="PATH", help="Where the health pass writes Prometheus text.")
]
Remove = Annotated[bool, typer.Option("--remove", help="Take the files away again.")]


@app.command("systemd")
def systemd(
    *,
    dest: Dest = Path("/etc/systemd/system"),
    services: Annotated[
        str, typer.Option(metavar="NAMES", help="all, gates, or names with commas between them.")
    ] = "gates",
    only: Annotated[
        str, typer.Option(metavar="PART", help="services or health; default both.")
    ] = "",
    user: User = "qtops",
    program: Program = "",
    textfile: Textfile = "",
    remove: Remove = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Hardened units for the services, a target that holds them, and a timer for health.

    Settings come from qtops.env and qtops-SERVICE.env in /etc/quantum; qtops-exchange.env, for the
    keys, is shown only to services that talk to the exchange. A file that was edited since qtops
    wrote it is never overwritten or removed.

    Example: qtops install systemd --services gates --dry-run

    Exit codes: 0 written, removed, or so already; 1 error; 4 not confirmed, or a file is not
    ours; 64 usage.
    """
    from qtops.install import units

    env = current()
    if only not in {"", *_PARTS}:
        raise UsageError(f"--only: one of {', '.join(_PARTS)}")
    host = _host(env, program, user, textfile)
    files: dict[str, str] = {}
    chosen = _services(services)
    if only != "health":
        files |= {units.unit_name(one): units.service_unit(one, host) for one in chosen}
        files[units.TARGET] = units.target_unit(chosen)
    if only != "services":
        files[f"{units.HEALTH}.service"] = units.health_service(host)
        files[f"{units.HEALTH}.timer"] = units.health_timer()
    starts = [name for name in (units.TARGET, f"{units.HEALTH}.timer") if name in files]
    now = " ".join(starts)
    after = (
        ["systemctl daemon-reload"]
        if remove
        else [
            f"id {user} || useradd --system --no-create-home {user}",
            "systemctl daemon-reload",
            f"systemctl enable --now {now}",
        ]
    )
    before = [f"systemctl disable --now {now}"] if remove else []
    place_files(
        env, SCHEMA, env.host.cwd / dest, files, (before, after), remove=remove, ask=(dry_run, yes)
    )


@app.command("cron")
def cron(
    *,
    dest: Dest = Path("/etc/cron.d"),
    state: Annotated[
        str, typer.Option(metavar="PATH", help="Where the last verdict is kept between passes.")
    ] = "/var/lib/qtops/health.json",
    user: User = "qtops",
    program: Program = "",
    textfile: Textfile = "",
    remove: Remove = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """A health pass every minute, for hosts without systemd; elsewhere prefer install systemd.

    A pass prints, and so cron mails, only when the verdict changed.

    Example: qtops install cron --user ops --dry-run

    Exit codes: 0 written, removed, or so already; 1 error; 4 not confirmed, or a file is not
    ours; 64 usage.
    """
    from qtops.install.cron import FILE_NAME, cron_file

    env = current()
    host = _host(env, program, user, textfile)
    files = {FILE_NAME: cron_file(host, state)}
    folder = str(Path(state).parent)
    after = [] if remove else [f"install -d -o {user} {folder}"]
    place_files(
        env, SCHEMA, env.host.cwd / dest, files, ([], after), remove=remove, ask=(dry_run, yes)
    )


@app.command("completion")
def completion(
    *,
    dest: Dest,
    shell: Annotated[str, typer.Option(help="bash, zsh or fish.")] = "bash",
    remove: Remove = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Completion of commands and options in the shell.

    Example: qtops install completion --dest ~/.local/share/bash-completion/completions

    Exit codes: 0 written, removed, or so already; 1 error; 4 not confirmed, or a file is not
    ours; 64 usage.
    """
    from typer._completion_shared import get_completion_script  # typer offers no other way

    env = current()
    if shell not in _SHELLS:
        raise UsageError(f"--shell: one of {', '.join(_SHELLS)}")
    script = get_completion_script(
        prog_name="qtops", complete_var="_QTOPS_COMPLETE", shell=shell
    ).strip()
    files = {_SHELLS[shell]: f"{script}\n"}
    place_files(
        env, SCHEMA, env.host.cwd / dest, files, ([], []), remove=remove, ask=(dry_run, yes)
    )


def _host(env: AppContext, program: str, user: str, textfile: str) -> "Host":
    from qtops.install.units import Host

    found = program or shutil.which(sys.argv[0]) or ""
    path = str(Path(found).absolute()) if found else ""
    for name, text in (("--program", path), ("--user", user), ("--textfile", textfile)):
        if any(char.isspace() or char == "%" for char in text):
            raise UsageError(f"{name}: no blanks and no % there: {text!r}")
    if textfile and not textfile.startswith("/"):
        raise UsageError(f"--textfile: give an absolute path, not {textfile!r}")
    if path.startswith(_HIDDEN):
        hint = "install qtops under /opt or /usr/local"
        raise ConfigError(f"{path} is where a confined unit could not see it", hint=hint)
    if not path or not Path(path).is_file():
        raise ConfigError(f"there is no program {path or 'qtops'}", hint="name it with --program")
    if not user:
        raise UsageError("--user: nobody is named")
    return Host(path, user, str(env.host.etc_dir), textfile)


def _services(text: str) -> "list[Service]":
    from qtops.contracts.registry import Service
    from qtops.sandbox.recipe import chosen_services

    names = chosen_services(text)
    if not names:
        raise UsageError("--services: none is named")
    return [Service(name) for name in names]
