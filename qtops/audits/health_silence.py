"""Streams that must speak: a producer that is dead sends no errors, and nothing else either."""

from collections.abc import Mapping
from typing import Final

from qtops.contracts.codec import fmt_span
from qtops.contracts.facts import Missing
from qtops.contracts.health import Check, Figure, Finding, Status, unseen
from qtops.contracts.registry import Stream

_SETTING: Final = "QTOPS_HEALTH_SILENCE"


def judge_silence(
    newest: Mapping[Stream, int | None] | Missing, now_ms: int, limits_ms: Mapping[Stream, int]
) -> Check:
    """From its limit on a silent stream is a failure, and so is one that never spoke.

    `newest` is when each stream got its newest entry (Redis server's UTC ms), None for never.
    """
    if not limits_ms:
        why, fix = "no stream is expected to speak", f"qtops config show {_SETTING}"
        return unseen("silence", why, fix, is_expected=True)
    if isinstance(newest, Missing):
        return unseen("silence", newest.why)
    findings: list[Finding] = []
    figures = []
    for stream, limit_ms in limits_ms.items():
        name, at_ms = stream.value.name, newest.get(stream)
        age_ms = None if at_ms is None else max(0, now_ms - at_ms)
        fix = f"qtops audit streams; start its producer: {', '.join(stream.value.writers)}"
        if age_ms is None:
            findings.append(Finding(Status.FAIL, f"{name} never had an entry", fix))
        elif age_ms >= limit_ms:
            text = f"{name} is silent for {fmt_span(age_ms)} (limit {fmt_span(limit_ms)})"
            findings.append(Finding(Status.FAIL, text, fix))
        figures.append(
            Figure("silence_age_ms", age_ms, limit_ms, limit_ms, labels={"stream": name})
        )
    speaking = len(limits_ms) - len(findings)
    summary = f"{speaking} of {len(limits_ms)} streams speak"
    return Check("silence", summary, tuple(findings), tuple(figures))
