"""systemd units: one a service, a target that holds them, a timer for the health pass.

Hardening follows systemd.exec(5); `systemd-analyze security` rates every unit in the tests. Local
changes belong in a drop-in (`systemctl edit UNIT`), which a later install leaves alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from qtops.contracts.registry import Service

TARGET: Final = "qtops.target"
HEALTH: Final = "qtops-health"

# Who needs the exchange's keys. No other unit is shown the file that holds them.
EXCHANGE_SERVICES: Final = frozenset(
    {
        Service.SNAPSHOTS,
        Service.MARKET_STATE,
        Service.UNIVERSE,
        Service.USER_STREAM,
        Service.EXECUTOR,
        Service.RECONCILE,
        Service.BREAKERS,
    }
)

# No rights, no devices, no view of other processes, nothing of the system writable.
_CONFINED: Final = (
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "DevicePolicy=closed",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProcSubset=pid",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "RemoveIPC=yes",
    "KeyringMode=private",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "UMask=0077",
)
# The health pass asks for disks, clocks and failed units, so it must see the host.
_HOST_VIEW: Final = frozenset(
    {"ProtectHome=yes", "ProcSubset=pid", "ProtectProc=invisible", "PrivateDevices=yes"}
)


@dataclass(frozen=True, slots=True)
class Host:
    """Where things are on the host that the units are for.

    Args:
        program: absolute path of the `qtops` to run.
        user: the system user of the services; it must exist before they start.
        env_dir: where `qtops.env`, `qtops-exchange.env` and `qtops-SERVICE.env` may stand.
        textfile: where the health pass writes Prometheus text; empty for nowhere.

    """

    program: str
    user: str
    env_dir: str
    textfile: str = ""


def unit_name(service: Service) -> str:
    """`qtops-executor.service`."""
    return f"qtops-{service.value}.service"


def service_unit(service: Service, host: Host) -> str:
    """One service. It restarts when it fails, at most five times in two minutes.

    Exit codes 4 (refused: no kill switch, hedge mode) and 64 (usage) need a person, not a restart.
    """
    files = ["qtops.env", f"qtops-{service.value}.env"]
    if service in EXCHANGE_SERVICES:
        files.insert(1, "qtops-exchange.env")
    return _unit(
        (
            "[Unit]",
            f"Description=qtops {service.value}",
            "Wants=network-online.target",
            "After=network-online.target redis-server.service redis.service time-sync.target",
            f"PartOf={TARGET}",
            "StartLimitIntervalSec=120",
            "StartLimitBurst=5",
        ),
        (
            "[Service]",
            "Type=exec",
            f"User={host.user}",
            f"Group={host.user}",
            *_environment(files, host),
            f"ExecStart={host.program} run {service.value}",
            "Restart=on-failure",
            "RestartSec=2",
            "RestartPreventExitStatus=4 64",
            "KillSignal=SIGTERM",
            "TimeoutStopSec=30",
            "LimitCORE=0",
            *_CONFINED,
        ),
        ("[Install]", f"WantedBy={TARGET}"),
    )


def _environment(files: Sequence[str], host: Host) -> Iterator[str]:
    """Files that are not there are no error: every setting has a default."""
    for name in files:
        yield f"EnvironmentFile=-{host.env_dir}/{name}"


def target_unit(services: Sequence[Service]) -> str:
    """All of them as one thing to start and stop."""
    return _unit(
        (
            "[Unit]",
            "Description=qtops, all services",
            f"Wants={' '.join(unit_name(service) for service in services)}",
        ),
        ("[Install]", "WantedBy=multi-user.target"),
    )


def health_service(host: Host) -> str:
    """One pass. Its verdict is no failure of the unit; that it could not run is."""
    words = [host.program, "health", "--format", "nagios"]
    confined = [line for line in _CONFINED if line not in _HOST_VIEW]
    if host.textfile:
        words += ["--textfile", host.textfile]
        folder = host.textfile.rpartition("/")[0]
        confined.append(f"ReadWritePaths=-{folder}")
    return _unit(
        ("[Unit]", "Description=qtops health, one pass", "After=network-online.target"),
        (
            "[Service]",
            "Type=oneshot",
            f"User={host.user}",
            f"Group={host.user}",
            *_environment(["qtops.env", "qtops-health.env"], host),
            f"ExecStart={' '.join(words)}",
            "SuccessExitStatus=1 2 3",
            "TimeoutStartSec=30",
            "ProtectHome=read-only",
            *confined,
        ),
    )


def health_timer() -> str:
    """Every minute, spread over five seconds."""
    return _unit(
        ("[Unit]", "Description=qtops health, every minute"),
        (
            "[Timer]",
            "OnCalendar=minutely",
            "RandomizedDelaySec=5",
            "AccuracySec=1s",
            f"Unit={HEALTH}.service",
        ),
        ("[Install]", "WantedBy=timers.target"),
    )


def _unit(*sections: Sequence[str]) -> str:
    return "\n\n".join("\n".join(section) for section in sections) + "\n"
