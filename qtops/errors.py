"""Every fault qtops can raise, and every code it can exit with.

QtopsError
├── UsageError          the command line is wrong                      exit 64
├── ConfigError         a setting is missing, mistyped or contradictory exit 1
├── DecodeError         a message or key does not follow its contract   exit 1
├── CollaboratorError   something we depend on failed                   exit 1
│   ├── RedisError      Redis is unreachable, refused us or answered badly
│   ├── VenueError      the exchange refused, or its answer is unknown
│   └── HostError       a process, file or service manager failed
├── UnhealthyError      an audit or check found a fault                 exit 2
├── NoProofError        what was to be proven was not                   exit 3
└── RefusedError        a safety rule forbids it                        exit 4

A denial by a gate is not an error: it is a value (`qtops.contracts.decision.Deny`).
"""

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """What a command's exit status means; the same for every command."""

    OK = 0
    ERROR = 1
    UNHEALTHY = 2
    NO_PROOF = 3
    REFUSED = 4
    USAGE = 64
    INTERRUPTED = 130


class QtopsError(Exception):
    """Base of all faults. Carries what failed (`message`) and what to do next (`hint`)."""

    code = "error"
    exit_code = ExitCode.ERROR

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code:
            self.code = code


class UsageError(QtopsError):
    """The command line is wrong."""

    code = "usage"
    exit_code = ExitCode.USAGE


class ConfigError(QtopsError):
    """A setting is missing, mistyped or contradictory."""

    code = "config"


class DecodeError(QtopsError):
    """A field is missing or malformed. `reason` is a stable code, `field` names the culprit."""

    code = "decode"

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field


class CollaboratorError(QtopsError):
    """Something we depend on failed."""

    code = "collaborator"


class RedisError(CollaboratorError):
    """Redis is unreachable, refused us or answered badly."""

    code = "redis"


class OutcomeClass(StrEnum):
    """What an exchange's error says about the order that caused it (ERRORS table, EXECUTION.md)."""

    FINAL = "final"  # refused; do not resend unchanged
    UNKNOWN = "unknown"  # may have been executed: look it up, never guess
    RETRY = "retry"  # not executed; may be sent again after a wait
    RESYNC = "resync"  # not executed; correct the clock, sign again
    ALREADY = "already"  # the wanted state already holds
    HALT = "halt"  # credentials, permissions or account: stop and alarm


class VenueError(CollaboratorError):
    """The exchange did not do what was asked.

    Args:
        message: what failed, without secrets.
        outcome: what is known about the request's effect.
        venue_code: the exchange's own number (for example -2019), None when there was none.
        http_status: None when no response arrived.
        retry_after_s: how long the exchange asked us to wait, None when it did not say.

    """

    code = "venue"

    def __init__(
        self,
        message: str,
        *,
        outcome: OutcomeClass,
        venue_code: int | None = None,
        http_status: int | None = None,
        retry_after_s: float | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.outcome = outcome
        self.venue_code = venue_code
        self.http_status = http_status
        self.retry_after_s = retry_after_s


class HostError(CollaboratorError):
    """A process, file or service manager failed."""

    code = "host"


class UnhealthyError(QtopsError):
    """An audit or check found a fault."""

    code = "unhealthy"
    exit_code = ExitCode.UNHEALTHY


class NoProofError(QtopsError):
    """What was to be proven was not."""

    code = "no_proof"
    exit_code = ExitCode.NO_PROOF


class RefusedError(QtopsError):
    """A safety rule forbids it."""

    code = "refused"
    exit_code = ExitCode.REFUSED
