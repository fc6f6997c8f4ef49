"""What became of earlier plans: the executor's claim, and the result it points to."""

from collections.abc import Sequence

from qtops.adapters.fact_reader import pairs
from qtops.adapters.link import RedisLink
from qtops.contracts.claim import ClaimState
from qtops.contracts.codec import decode_fields
from qtops.contracts.episode import PlanFate
from qtops.contracts.registry import Key, Stream
from qtops.contracts.result import Result
from qtops.errors import DecodeError


async def plan_fates(link: RedisLink, plan_ids: Sequence[str]) -> dict[str, PlanFate]:
    """The fate of each plan, in two round trips.

    An end whose result was trimmed, or cannot be read, counts as executed when a quantity had been
    marked for sending: doing a step twice is worse than leaving it once.
    """
    if not plan_ids:
        return {}
    pipe = link.client.pipeline(transaction=False)
    for plan_id in plan_ids:
        pipe.hgetall(link.names.key(Key.CLAIM, plan_id=plan_id))
    claims = [_claim(reply) for reply in await pipe.execute(raise_on_error=False)]
    pipe = link.client.pipeline(transaction=False)
    stream = link.names.stream(Stream.APPLY_RESULT)
    for claim in claims:
        entry = claim.get("result_id") or "0-1"
        pipe.xrange(stream, entry, entry)
    ends = await pipe.execute(raise_on_error=False)
    return {
        plan_id: _fate(claim, end)
        for plan_id, claim, end in zip(plan_ids, claims, ends, strict=True)
    }


def _claim(reply: object) -> dict[str, str]:
    try:
        return decode_fields(pairs(reply))
    except DecodeError:
        return {"state": "unreadable"}


def _fate(claim: dict[str, str], end: object) -> PlanFate:
    if not claim:
        return PlanFate.ABSENT
    if claim.get("state") != ClaimState.DONE:
        return PlanFate.OPEN
    try:
        if isinstance(end, list) and end:
            result = Result.from_fields(decode_fields(end[0][1]))
            return PlanFate.EXECUTED if result.executed else PlanFate.REFUSED
    except DecodeError:
        pass
    return PlanFate.EXECUTED if claim.get("quantity") else PlanFate.REFUSED
