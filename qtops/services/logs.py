"""How services log: one event a line, past tense, JSON unless a person is watching."""

import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any

import structlog

Event = MutableMapping[str, Any]


def configure_logs(form: str, level: str, secrets: Iterable[str] = ()) -> None:
    """Log to stderr, which journald keeps. `form` is auto, json or text.

    Every string that equals or contains one of `secrets` is masked before it is written.
    """
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    hidden = sorted((s for s in secrets if s), key=len, reverse=True)

    def mask(_: Any, __: str, event: Event) -> Event:
        for name, value in event.items():
            if isinstance(value, str):
                event[name] = _masked(value, hidden)
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask,
            structlog.dev.ConsoleRenderer() if as_text else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _masked(text: str, hidden: Iterable[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, "***")
    return text
