"""Proxies, HTTP and SOCKS: everything goes through the one that is set, or fails; nothing goes out directly instead."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import attrs

from tickwire.model.errors import ConfigError, ConnectionLostError

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Proxy", "proxy_errors"]

_PORTS: Final = {"http": 8080, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}


@attrs.frozen
class Proxy:
    """A proxy as the user set it.

    The exchange's name is resolved by the proxy, except for ``socks4``, whose requests carry addresses only.

    Attributes:
        scheme: ``http``, ``socks4``, ``socks4a``, ``socks5`` or ``socks5h``.
        host: Its name or address.
        port: Its port.
        username: Empty: none.
        password: Empty: none.
        setting: Where it is configured, for messages.
    """

    scheme: str
    host: str
    port: int
    username: str = attrs.field(default="", repr=False)
    password: str = attrs.field(default="", repr=False)
    setting: str = "proxy"

    @classmethod
    def parse(cls, url: str, setting: str = "proxy") -> Proxy:
        """Read ``socks5://user:password@10.0.0.7:1080``; no message ever shows user or password.

        Raises:
            ConfigError: It is not one of the schemes, or has no host.
        """
        hint = f"write http://host:port, or one of {', '.join(name for name in _PORTS if name != 'http')}"
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ConfigError("the proxy is not a URL", hint=hint, path=setting) from None
        if parts.scheme not in _PORTS:
            # without :// the first word may be a user's name
            scheme = f"of scheme {parts.scheme!r}" if "://" in url else "without a scheme"
            raise ConfigError(f"a proxy {scheme} cannot be used", hint=hint, path=setting)
        if not host or parts.path.strip("/") or parts.query or parts.fragment:
            raise ConfigError("the proxy is not scheme://host:port", hint=hint, path=setting)
        username, password = unquote(parts.username or ""), unquote(parts.password or "")
        if not (username + password).isascii() or ":" in username or max(len(username), len(password)) > 255:
            raise ConfigError(
                "the proxy's user and password must be ASCII, at most 255 characters each, the user without a colon",
                hint="change them at the proxy",
                path=setting,
            )
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], username, password, setting)

    def __str__(self) -> str:
        kind = "HTTP" if self.scheme == "http" else "SOCKS"
        return f"{kind} proxy {f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def hint(self) -> str:
        """Say what to do when it failed."""
        return f"nothing was sent directly; check {self.setting}"

    def connector(self, **options: Any) -> aiohttp.TCPConnector:
        """Make what an aiohttp session dials with.

        aiohttp's own ``proxy=`` speaks HTTP to a SOCKS port, and asks an HTTP proxy to GET a ``ws://`` URL.
        """
        from aiohttp_socks import ProxyConnector

        return ProxyConnector(**self._arguments(), **options)

    async def dial(self, host: str, port: int) -> socket.socket:
        """Give a socket that is connected to ``host`` through this proxy.

        Raises:
            Exception: Of python-socks; ``failed`` has words for them.
        """
        from python_socks.async_.asyncio import Proxy as Dialler

        dialled: socket.socket = await Dialler(**self._arguments()).connect(host, port)
        return dialled

    def failed(self, what: str, error: BaseException) -> ConnectionLostError | None:
        """Say in words that the proxy failed, ``None`` if something else did.

        Args:
            what: ``the WebSocket connection``, …
            error: Of ``dial``, or of a request over ``connector``.
        """
        import aiohttp_socks
        import python_socks

        if isinstance(error, python_socks.ProxyTimeoutError | aiohttp_socks.ProxyTimeoutError):
            problem = f"did not answer for {what}"
        elif isinstance(error, python_socks.ProxyConnectionError | aiohttp_socks.ProxyConnectionError):
            problem = f"cannot be reached for {what}"
        elif isinstance(error, python_socks.ProxyError | aiohttp_socks.ProxyError):
            problem = f"refused {what}" + (f" ({error})" if str(error) else "")
        else:
            return None
        return ConnectionLostError(f"the {self} {problem}", hint=self.hint)

    def _arguments(self) -> dict[str, Any]:
        from python_socks import ProxyType

        kinds = {"http": ProxyType.HTTP, "socks4": ProxyType.SOCKS4, "socks5": ProxyType.SOCKS5}
        return {
            "proxy_type": kinds[self.scheme.removesuffix("a").removesuffix("h")],
            "host": self.host,
            "port": self.port,
            "username": self.username,
            "password": self.password,
            "rdns": self.scheme != "socks4",
        }


def proxy_errors() -> tuple[type[Exception], ...]:
    """Give what a request through a proxy may raise beside the errors of a direct one."""
    import aiohttp_socks
    import python_socks

    return (
        python_socks.ProxyError,
        aiohttp_socks.ProxyError,
        aiohttp_socks.ProxyConnectionError,
        aiohttp_socks.ProxyTimeoutError,
    )
