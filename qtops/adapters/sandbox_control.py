"""The sandbox exchange's control interface: faults on demand, and every order it ever took."""

from typing import Any, Self

import httpx

from qtops.contracts.drill import Fault, Landed
from qtops.contracts.environment import Environment, environment_of
from qtops.errors import HostError, RefusedError

_TIMEOUT_S = 10.0


class SandboxControl:
    """Implements `qtops.proofs.kill_drill.ExchangeControl`. Refuses every other kind of venue."""

    def __init__(self, exchange_url: str) -> None:
        if environment_of(exchange_url) is not Environment.SANDBOX:
            raise RefusedError(f"{exchange_url} is no sandbox: faults are injected nowhere else")
        self._http = httpx.AsyncClient(
            base_url=f"{exchange_url}/sandbox/v1", timeout=_TIMEOUT_S, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def inject(self, fault: Fault) -> None:
        """Into the next requests that place an order."""
        body: dict[str, Any] = {"path": "/fapi/v1/order", "method": "POST", "kind": fault.kind}
        body["count"] = fault.count
        if fault.value:
            body["value"] = fault.value
        await self._ask("POST", "/faults", body)

    async def landed(self) -> list[Landed]:
        rows = (await self._ask("GET", "/orders", None))["orders"]
        return [Landed(row["clientOrderId"], row["symbol"], int(row["time"])) for row in rows]

    async def _ask(self, method: str, path: str, body: Any) -> Any:
        try:
            answer = await self._http.request(method, path, json=body)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise HostError(f"the sandbox exchange did not answer: {error}") from error
        return answer.json()
