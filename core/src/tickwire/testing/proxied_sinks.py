"""``ProxiedSinkConformance``: the checks of a sink whose target is reached over TCP and runs on by itself."""

from __future__ import annotations

from tickwire.testing.sinks import SinkConformance
from tickwire.testing.tcp_proxy import TcpProxy

__all__ = ["ProxiedSinkConformance"]

_SLOW = 200_000


class ProxiedSinkConformance(SinkConformance):
    """All checks of a sink. A proxy before its target is cut, slowed down and stalled.

    Attributes:
        proxy: Where the sink is to connect: ``make_options`` names its ``host`` and ``port``.
    """

    proxy: TcpProxy

    async def stand_before(self, port: int, host: str = "127.0.0.1") -> None:
        """Put the proxy before the target; called by ``prepare``."""
        self.proxy = TcpProxy(host, port)
        await self.proxy.restore()

    async def cut(self) -> None:
        """End all connections and refuse new ones."""
        await self.proxy.cut()

    async def restore(self) -> None:
        """Let everything through."""
        await self.proxy.restore()

    def slow(self) -> None:
        """Pass on so many bytes a second."""
        self.proxy.slow(_SLOW)

    def stall(self) -> None:
        """Pass nothing on."""
        self.proxy.stall()

    async def clean(self) -> None:
        """Close the proxy."""
        await self.proxy.close()
