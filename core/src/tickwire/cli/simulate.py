"""``tickwire simulate``: a seeded market on loopback that speaks like an exchange."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine

    from tickwire.plugin.info import ExchangeInfo
    from tickwire.simulation import Dress, Injected, SimServer

__all__ = ["dress_of", "simulate"]

_CA_FILE = "tickwire-simulator-ca.pem"


def simulate(
    exchange: Annotated[str, typer.Argument(metavar="EXCHANGE", help="Its id, e.g. backpack.", show_default=False)],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where to listen; 0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same market.")] = 0,
    symbols: Annotated[
        list[str] | None,
        typer.Option(help="Repeatable or comma-separated, e.g. SOL-USDC; all by default.", show_default=False),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, help="Changes a second over all symbols; 0: as fast as clients take them.")
    ] = 200,
    tls: Annotated[
        bool, typer.Option("--tls", help="Speak https and wss with a certificate made for this run.")
    ] = False,
    truth: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write what really happens into DIR.", show_default=False)
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            metavar="KIND[,KIND…]", help="Go wrong at random, e.g. drop,half_open, or all.", show_default=False
        ),
    ] = None,
    fault_every: Annotated[float, typer.Option(min=0.01, help="Seconds from one fault to the next, on average.")] = 10,
    fault_limit: Annotated[int | None, typer.Option(min=1, help="So many faults, then all is well.")] = None,
    fault_seed: Annotated[int, typer.Option(help="The same seed gives the same faults.")] = 0,
    plugin: Annotated[str | None, typer.Option(help="Pin this plugin.", show_default=False)] = None,
    duration: Annotated[str | None, typer.Option(help="Stop after 10s, 5m, 1h.", show_default=False)] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the URLs, and each fault as it begins and ends, as JSON lines.")
    ] = False,
) -> None:
    """Simulate an exchange on this machine: its REST and WebSocket, its oddities, no real money. Ctrl-C ends it.

    Example: tickwire simulate backpack --symbols SOL-USDC --rate 500 --faults drop,half_open --fault-every 30
    """
    import asyncio
    from contextlib import ExitStack
    from random import Random
    from tempfile import TemporaryDirectory

    from tickwire.cli.running import duration_of, say
    from tickwire.plugin.registry import Registry
    from tickwire.simulation import Faults, FileTruth, SeededMarket, SimServer, fault_kinds, storm

    seconds = duration_of(duration)
    kinds = () if faults is None else fault_kinds(faults)
    hostile = Faults(seed=fault_seed, told=lambda injected: _tell(injected, json)) if kinds else None
    dress = dress_of(Registry.discover().select(exchange, plugin).claim.info)
    chosen = [symbol.strip() for text in symbols or () for symbol in text.split(",") if symbol.strip()]
    with ExitStack() as stack:
        certificate = Path(stack.enter_context(TemporaryDirectory(prefix="tickwire-"))) / _CA_FILE if tls else None
        log = None if truth is None else FileTruth(truth)
        if log is not None:
            stack.callback(log.close)
        market = SeededMarket.of(dress, chosen, seed=seed, truth=log)
        context = None if certificate is None else _context(certificate)
        server = SimServer(dress, market, port=port, rate=rate, tls=context, faults=hostile)

        async def suffer() -> None:
            if hostile is not None:
                random = Random(fault_seed)
                await storm(hostile, kinds, every=fault_every, random=random, clock=market.clock, limit=fault_limit)
            await server.finished()

        asyncio.run(_serve(server, seconds, lambda: _announce(server, exchange, certificate, json), suffer))
    where = "" if truth is None else f" · truth in {truth}"
    say(f"{market.trades_made:,} trades · {market.changes:,} book changes{where}")


def dress_of(info: ExchangeInfo) -> Dress:
    """Make the dress that an exchange's plugin declares.

    Raises:
        PluginContractError: It declares none, or one that cannot be made.
    """
    from importlib import import_module

    from tickwire.model.errors import PluginContractError

    if info.simulator is None:
        raise PluginContractError(
            f"the plugin for {info.id!r} has no simulator", hint="ask its author for ExchangeInfo(simulator=…)"
        )
    module, _, name = info.simulator.partition(":")
    try:
        dress: Dress = getattr(import_module(module), name)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise PluginContractError(
            f"exchange {info.id!r}: its simulator {info.simulator!r} cannot be made: {error}",
            hint='name it "module:Class", of a class that needs no arguments',
        ) from error
    return dress


def _context(certificate: Path) -> ssl.SSLContext:
    import ssl

    from tickwire.model.errors import ConfigError

    try:
        import trustme
    except ImportError as error:
        raise ConfigError("--tls needs the package trustme", hint="pip install 'tickwire[tls]'") from error
    authority = trustme.CA(organization_name="tickwire simulate")
    authority.cert_pem.write_to_path(str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


async def _serve(
    server: SimServer,
    seconds: float | None,
    announce: Callable[[], None],
    suffer: Callable[[], Coroutine[object, object, None]],
) -> None:
    import asyncio
    import signal

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with server:
        announce()
        # without a limit the market ends only by an error, which closing the server raises
        endings = {asyncio.create_task(end) for end in (stop.wait(), server.finished(), suffer())}
        await asyncio.wait(endings, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for ending in endings:
            ending.cancel()
        await asyncio.gather(*endings, return_exceptions=True)


def _announce(server: SimServer, exchange: str, certificate: Path | None, json: bool) -> None:
    import os

    import msgspec

    if json:
        facts = {"rest": server.rest_url, "websocket": server.ws_url, "pid": os.getpid()}
        more = {} if certificate is None else {"certificate": str(certificate)}
        print(msgspec.json.encode(facts | more).decode(), flush=True)
        return
    trust = "" if certificate is None else f"SSL_CERT_FILE={certificate} "
    listed = server.market.instruments
    print(f"{exchange}: {len(listed)} instruments simulated; Ctrl-C ends it")
    print(f"REST       {server.rest_url}")
    print(f"WebSocket  {server.ws_url}")
    if certificate is not None:
        print(f"trust      SSL_CERT_FILE={certificate}, in the environment of whatever connects")
    print(
        f"try        {trust}tickwire stream {exchange} {listed[0].symbol} -c trades,l2_book "
        f"--rest-url {server.rest_url} --ws-url {server.ws_url}",
        flush=True,
    )


def _tell(injected: Injected, json: bool) -> None:
    import msgspec

    fault = injected.fault
    took = None if injected.ended is None else (injected.ended - injected.began) / 1e9
    if json:
        facts = {"fault": fault.kind, "is_over": injected.is_over, "count": fault.count, "touched": injected.touched}
        print(msgspec.json.encode(facts | {"began": injected.began, "ended": injected.ended}).decode(), flush=True)
    elif took is None:
        print(f"fault      {fault.kind} begins", flush=True)
    else:
        print(f"fault      {fault.kind} is over after {took:.1f} s: {_touched(injected)}", flush=True)


def _touched(injected: Injected) -> str:
    from tickwire.model.counting import counted

    if not injected.touched:
        return "nothing came its way"
    return counted(injected.touched, injected.fault.kind.site)
