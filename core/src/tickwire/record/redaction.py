"""Takes secrets out before anything reaches a file.

Three rules, each for itself: a known secret's text is masked wherever it stands, in the spellings it may have there;
what belongs to a key that names a secret (``signature``, ``token``, ``listenKey`` …) is masked, in frames and answers
of feeds that have credentials; of a signed request only method and path are kept, and no URL keeps a user or, where
there are credentials, its query.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import attrs

from tickwire.plugin.protocols import Request
from tickwire.run.interpolation import EnvText

__all__ = ["MASK", "Redactor", "masked_settings"]

MASK = "***"

_NAMES = re.compile(
    r"(?:api|access|private|listen|session|refresh|secret)[-_ ]?(?:key|token)|secret|passphrase|password|passwd"
    r"|authorization|cookie|token|jwt|sign(?:ature)?$|(?:^|[-_])sig$|credential",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"^(?:auth|login|logon|authenticate|session\.logon)$", re.IGNORECASE)
_VERBS = frozenset({"op", "method", "event", "type", "action", "id", "req_id", "channel"})
_HEADERS = frozenset(
    {"content-type", "content-length", "content-encoding", "date", "server", "retry-after", "accept", "user-agent"}
)
_LIMITS = re.compile(r"(?:x-)?(?:ratelimit|rate-limit|mbx-used|sapi-used)", re.IGNORECASE)
_HARMLESS = re.compile(r"[+-]?\d{1,9}(?:\.\d{1,9})?[a-z]{0,2}|true|false|", re.IGNORECASE)
_LONG_SEGMENT = 16
_SHORTEST = 4  # a shorter secret would be found everywhere


@attrs.frozen
class Redactor:
    """What must not be seen of one feed.

    Attributes:
        secrets: The texts of its credentials; never shown.
        has_login: It has credentials, so that frames and answers may hold what comes of them.
    """

    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    has_login: bool = False
    _spellings: tuple[bytes, ...] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        found = {one for secret in self.secrets if len(secret) >= _SHORTEST for one in _spelled(secret)}
        object.__setattr__(self, "_spellings", tuple(sorted(found, key=lambda one: (-len(one), one))))

    def payload(self, payload: Any, *, is_ours: bool = False) -> Any:
        """Give a frame's payload as it may be kept; untouched where the feed has no credentials.

        Args:
            payload: Bytes, text or an object as JSON has them.
            is_ours: We send it: it may be a login, of which the verb alone is kept.
        """
        if not self.has_login:
            return payload
        if isinstance(payload, bytes):
            return self._encoded(payload, is_ours=is_ours)
        if isinstance(payload, str):
            return self._encoded(payload.encode(), is_ours=is_ours).decode(errors="replace")
        return self._object(payload)

    def text(self, text: str) -> str:
        """Give a text without secrets."""
        return self._scrubbed(text.encode()).decode(errors="replace")

    def url(self, url: str, declared: Iterable[str] = ()) -> str:
        """Give a URL without user, query and whatever looks like a token in its path.

        Args:
            url: Where to.
            declared: URLs that hold no secret, as configured; one of them is kept as it is.
        """
        if url in declared and "?" not in url and "@" not in url:
            return url
        parts = urlsplit(url)
        known = {segment for one in declared for segment in urlsplit(one).path.split("/")}
        segments = [
            MASK if len(segment) >= _LONG_SEGMENT and segment not in known else segment
            for segment in parts.path.split("/")
        ]
        query = "?" + MASK if parts.query and self.has_login else f"?{parts.query}" if parts.query else ""
        return self.text(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{'/'.join(segments)}{query}")

    def request(self, request: Request) -> Request:
        """Give a request as it may be kept."""
        if request.signed:
            return attrs.evolve(request, path=self._path(request), params={}, body=None, headers={})
        return attrs.evolve(
            request,
            path=self.text(request.path),
            params={name: self._value(name, value) for name, value in request.params.items()},
            body=None if request.body is None else self.payload(request.body, is_ours=True),
            headers=self.headers(request.headers),
        )

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Give those headers that are known to hold no secret."""
        names = [name for name in headers if name.lower() in _HEADERS or _LIMITS.match(name)]
        return {name: self.text(str(headers[name])) for name in names}

    def _path(self, request: Request) -> str:
        return self.text(request.path.partition("?")[0])

    def _value(self, name: str, value: str | int) -> str | int:
        if _NAMES.search(name):
            return MASK
        return self.text(value) if isinstance(value, str) else value

    def _encoded(self, data: bytes, *, is_ours: bool) -> bytes:
        if is_ours or _NAMES.search(data.decode("latin-1")) or self._holds_secret(data):
            try:
                found = json.loads(data)
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict | list):
                kept = _login(found) if is_ours else found
                masked = self._object(kept)
                if masked != found:
                    data = json.dumps(masked, separators=(",", ":"), ensure_ascii=False).encode()
        return self._scrubbed(data)

    def _object(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: MASK if _is_secret(key, item) else self._object(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._object(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def _holds_secret(self, data: bytes) -> bool:
        return any(spelling in data for spelling in self._spellings)

    def _scrubbed(self, data: bytes) -> bytes:
        for spelling in self._spellings:
            if spelling in data:
                data = data.replace(spelling, MASK.encode())
        return data


def masked_settings(value: Any, secrets: Redactor) -> Any:
    """Give settings as plain values without secrets, whatever key they stand under."""
    if isinstance(value, Mapping):
        return {
            str(key): MASK if _is_secret(str(key), item) else masked_settings(item, secrets)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked_settings(item, secrets) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    # what came from the environment is where people keep their keys, unless it can be none
    if isinstance(value, EnvText) and not _HARMLESS.fullmatch(value):
        return MASK
    return secrets.text(str(value))


def _is_secret(key: Any, value: Any) -> bool:
    return isinstance(key, str) and value not in (None, "", [], {}) and _NAMES.search(key) is not None


def _login(found: Any) -> Any:
    # a login's arguments may stand in a list without names: the verb alone is kept
    if isinstance(found, dict) and any(_LOGIN.match(str(found.get(verb, ""))) for verb in ("op", "method", "event")):
        return {key: value if key in _VERBS else MASK for key, value in found.items()}
    return found


def _spelled(secret: str) -> set[bytes]:
    raw = secret.encode()
    texts = {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret), raw.hex()}
    return {text.encode() for text in texts} | {base64.b64encode(raw), base64.urlsafe_b64encode(raw)}
