"""A dead man's switch in the protocol of healthchecks.io. Its URL's path is a secret."""

from typing import Final

import httpx

from qtops.errors import HostError

PING_TIMEOUT_S: Final = 5.0
_SUCCESS: Final = range(200, 300)


async def ping(url: str, text: str, *, is_fault: bool) -> None:
    """POST `text` to the URL, or to URL/fail. HostError without the URL when it did not arrive."""
    target = url.rstrip("/") + ("/fail" if is_fault else "")
    try:
        async with httpx.AsyncClient(timeout=PING_TIMEOUT_S) as client:
            response = await client.post(target, content=text.encode())
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise HostError(f"not delivered ({type(error).__name__})") from error
    if response.status_code not in _SUCCESS:
        raise HostError(f"refused with HTTP {response.status_code}")
