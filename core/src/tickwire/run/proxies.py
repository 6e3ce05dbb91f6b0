"""A proxy as a user names it: a URL, or ``env`` for what the environment says. Its password is never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from tickwire.model.errors import ConfigError

__all__ = ["Proxy"]

_SCHEMES = ("http", "socks4", "socks5", "socks5h")
_HINT = "write http://host:port, socks5://host:port, or env"


class Proxy:
    """Where all traffic of an exchange goes through; ``repr`` and ``str`` are masked."""

    __slots__ = ("_url",)

    def __init__(self, url: str | None) -> None:
        """Take over a URL that was checked; ``None``: what the environment says. Use ``parse``."""
        self._url = url

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """Read ``socks5://10.0.0.7:1080``, ``http://user:password@host:3128`` or ``env``.

        Raises:
            ConfigError: It is none of these; the text is not shown, it may hold a password.
        """
        if text.strip() == "env":
            return cls(None)
        _check(text)
        return cls(text)

    def url_for(self, targets: Sequence[str], environ: Mapping[str, str] | None = None) -> str | None:
        """Give the proxy's URL for these hosts, with its password: for the transport alone.

        Args:
            targets: URLs that are asked, alternatives of each other.
            environ: Where ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` stand; ``None``: the
                process's own environment. Only read for ``env``.

        Returns:
            ``None`` where the environment names no proxy for them.

        Raises:
            ConfigError: The environment's proxies differ between them, or are no proxy URLs.
        """
        if self._url is not None:
            return self._url
        variables = {name.lower(): value for name, value in (os.environ if environ is None else environ).items()}
        found = dict.fromkeys(_from_environment(target, variables) for target in targets)
        if len(found) > 1:
            raise ConfigError(
                "the environment's proxies differ between the hosts of one exchange",
                hint="make HTTP_PROXY, HTTPS_PROXY and NO_PROXY agree, or write the proxy's URL",
                path="proxy",
            )
        url = next(iter(found), None)
        if url is not None:
            _check(url)
        return url

    def __str__(self) -> str:
        if self._url is None:
            return "env"
        parts = urlsplit(self._url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{'***@' if '@' in parts.netloc else ''}{host}"

    def __repr__(self) -> str:
        return f"Proxy({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Proxy) and other._url == self._url

    def __hash__(self) -> int:
        return hash((Proxy, self._url))


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_complete = bool(parts.hostname) and parts.port is not None
    except ValueError:
        is_complete = False
        parts = urlsplit("")
    if parts.scheme and parts.scheme not in _SCHEMES and is_complete:
        raise ConfigError(f"a proxy of kind {parts.scheme!r} cannot be used", hint=_HINT)
    if not is_complete or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError("this is no proxy URL", hint=_HINT)


def _from_environment(target: str, variables: Mapping[str, str]) -> str | None:
    parts = urlsplit(target)
    if _is_exempt(parts.hostname or "", parts.port, variables.get("no_proxy", "")):
        return None
    name = "https_proxy" if parts.scheme in ("https", "wss") else "http_proxy"
    return variables.get(name) or variables.get("all_proxy") or None


def _is_exempt(host: str, port: int | None, exemptions: str) -> bool:
    for entry in exemptions.replace(",", " ").split():
        name, _, only = entry.lower().partition(":")
        name = name.removeprefix("*").removeprefix(".")
        if entry == "*" or (name and (host == name or host.endswith(f".{name}")) and only in ("", str(port))):
            return True
    return False
