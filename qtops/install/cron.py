"""A file for cron.d, for hosts without systemd."""

from shlex import join

from qtops.errors import UsageError
from qtops.install.units import Host

FILE_NAME = "qtops"  # cron.d takes no name with a dot


def cron_file(host: Host, state_file: str) -> str:
    """Every minute; a line of output, and so a mail, only when the verdict changed.

    Raises:
        UsageError: a path that crontab would cut at its `%`, or a line break.

    """
    words = [host.program, "health", "--format", "nagios", "--state", state_file]
    if host.textfile:
        words += ["--textfile", host.textfile]
    if bad := next((word for word in words if "%" in word or "\n" in word), None):
        raise UsageError(f"{bad!r} has a character that crontab takes for itself")
    env_file = f"{host.env_dir}/qtops.env"
    load = f"set -a; [ -r {join([env_file])} ] && . {join([env_file])}; set +a"
    return f"SHELL=/bin/sh\n* * * * * {host.user} {load}; {join(words)}\n"
