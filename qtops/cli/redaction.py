"""What must never leave the process. Applied to every error message and every JSON string leaf.

Masked: passwords in URLs, request signatures, values of known secret settings, and anything
that looks like an exchange key (64 letters and digits of both cases). A value printed on purpose,
such as the sandbox's own throw-away key, is wrapped in `Disclosed`.
"""

import re
from collections.abc import Iterable

MASK = "***"
MIN_SECRET_LENGTH = 4
_URL_PASSWORD = re.compile(r"(?P<head>[A-Za-z][\w+.\-]*://[^\s/:@\"'<>]*:)[^\s\"'<>]+@")
_NAMES = (
    r"signature|passw(?:or)?d|authorization|listen_?key|x-mbx-apikey"
    r"|api[_-]?key|(?:api_?|client_?)?secret(?:_?key)?|token"
)
_NAMED = re.compile(
    rf"(?i)(?P<head>(?<![a-z])(?:{_NAMES})\"?\s*[=:]\s*\"?(?:bearer |basic )?)[^\s\"'&,;}}]+",
)
_SECRET_NAME = re.compile(rf"(?i)(?:.*_)?(?:{_NAMES})")
_DIGEST = re.compile(r"[0-9a-fA-F]{32,}")
_KEY_SHAPED = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{64}(?![A-Za-z0-9])")


class Disclosed(str):
    """Text that is shown as it is because showing it is the point."""

    __slots__ = ()


class Redactor:
    """Masks what it was told is secret and what looks like it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH}
        longest_first = sorted(known, key=lambda secret: (-len(secret), secret))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def __call__(self, text: str) -> str:
        if isinstance(text, Disclosed):
            return text
        if self._known:
            text = self._known.sub(MASK, text)
        if "://" in text:
            text = _URL_PASSWORD.sub(rf"\g<head>{MASK}@", text)
        if "=" in text or ":" in text:
            text = _NAMED.sub(rf"\g<head>{MASK}", text)
        return _KEY_SHAPED.sub(_mask_mixed_case, text) if len(text) >= 64 else text  # noqa: PLR2004  the length of a key


def is_secret_field(name: str, value: str) -> bool:
    """Whether a JSON field is masked for its name. A signature only where it is a bare HMAC."""
    if isinstance(value, Disclosed) or not value or not _SECRET_NAME.fullmatch(name):
        return False
    return name.lower() != "signature" or bool(_DIGEST.fullmatch(value))


def _mask_mixed_case(match: re.Match[str]) -> str:
    """Exchange keys mix cases; a SHA-256 digest does not and stays readable."""
    word = match[0]
    return word if word in {word.lower(), word.upper()} else MASK
