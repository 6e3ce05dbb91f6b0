"""Client CPU a frame over wss: the same pre-encoded frames to tickwire and to ccxt.pro's own Backpack class.

A server in a process of its own sends 80 % one-level depth frames and 20 % trades as fast as the client takes them.
Each client runs in a process of its own and reports its CPU time from the first frame's subscription to the last trade.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from frames import depths, trades

FRAMES = 200_000
BATCH = 200
BUDGET = 6
ENGINES = ("aiohttp", "picows")


def mixed(count: int) -> list[bytes]:
    """Interleave four depth frames and a trade."""
    depth, trade = iter(depths(count * 4 // 5, 1)), iter(trades(count // 5))
    return [frame for _ in range(count // 5) for frame in (*(next(depth) for _ in range(4)), next(trade))]


async def serve(certificate: str) -> None:
    """Speak as much Backpack as both clients need, then send everything."""
    from aiohttp import web

    from tickwire_backpack.simulated_markets import market_row
    from tickwire_backpack.simulator import BackpackSimulator

    market = next(market_row(one) for one in BackpackSimulator.instruments if one.native == "SOL_USDC")
    frames = [frame.decode() for frame in mixed(FRAMES)]
    levels = (
        [[f"{99 - n / 100:.2f}", "1.00"] for n in range(200, 0, -1)],
        [[f"{99 + n / 100:.2f}", "1.00"] for n in range(1, 201)],
    )
    depth = {"bids": levels[0], "asks": levels[1], "lastUpdateId": "0", "timestamp": 1_788_367_430_000_000}

    async def socket(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            answers = {"/api/v1/markets": [market], "/api/v1/depth": depth}
            return web.json_response(answers.get(request.path, []))
        answer = web.WebSocketResponse(compress=False)
        await answer.prepare(request)
        asked: set[str] = set()
        while not {"depth.SOL_USDC", "trade.SOL_USDC"} <= asked:
            asked.update(json.loads((await answer.receive()).data)["params"])
        await asyncio.sleep(0.5)
        for start in range(0, len(frames), BATCH):
            for frame in frames[start : start + BATCH]:
                await answer.send_str(frame)
        await answer.receive()
        return answer

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", socket)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    print(port, flush=True)
    await asyncio.Event().wait()


async def with_tickwire(port: int, engine: str) -> float:
    """Take everything with callbacks, books included."""
    from tickwire import BookDelta, Feed, Trade

    done = asyncio.Event()
    heard = [0]

    def on_trade(trade: Trade) -> None:
        heard[0] += 1
        if trade.sequence == FRAMES // 5:
            done.set()

    def on_delta(delta: BookDelta) -> None:
        heard[0] += 1

    rest, websocket = f"https://127.0.0.1:{port}", f"wss://127.0.0.1:{port}"
    feed = Feed(
        "backpack", ["SOL-USDC"], ["trades", "l2_book"], buffer=0, rest=rest, websocket=websocket, engine=engine
    )
    feed.on(Trade, on_trade)
    feed.on(BookDelta, on_delta)
    async with feed:
        start = time.process_time()
        await done.wait()
        spent = time.process_time() - start
        assert feed.books["SOL-USDC"].is_synced
    assert heard[0] == FRAMES, f"{heard[0]} of {FRAMES}"
    return spent


async def with_ccxt(port: int) -> float:
    """Loop over ``watch_trades`` and ``watch_order_book`` as its manual says."""
    exchange: Any = import_module("ccxt.pro").backpack(
        {"newUpdates": True, "verify": False, "options": {"watchOrderBook": {"snapshotDelay": 0}}}
    )
    for kind, url in (("public", f"https://127.0.0.1:{port}"), ("private", f"https://127.0.0.1:{port}")):
        exchange.urls["api"][kind] = url
    exchange.urls["api"]["ws"] = {"public": f"wss://127.0.0.1:{port}", "private": f"wss://127.0.0.1:{port}"}
    exchange.has["fetchCurrencies"] = False
    await exchange.load_markets()

    async def books() -> None:
        while True:
            await exchange.watch_order_book("SOL/USDC")

    start = time.process_time()
    watching = asyncio.create_task(books())
    try:
        while True:
            news = await exchange.watch_trades("SOL/USDC")
            if int(news[-1]["id"]) == FRAMES // 5:
                return time.process_time() - start
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await exchange.close()


async def with_cryptofeed(port: int) -> float:
    """Read the socket with cryptofeed's connection and decode each frame, no more: it has no Backpack of its own."""
    connection: Any = import_module("cryptofeed.connection").WSAsyncConn(f"wss://127.0.0.1:{port}", "bench")
    async with connection.connect() as socket:
        await socket.write(json.dumps({"method": "SUBSCRIBE", "params": ["depth.SOL_USDC", "trade.SOL_USDC"]}))
        start, taken = time.process_time(), 0
        async for message in socket.read():
            json.loads(message)
            taken += 1
            if taken == FRAMES:
                return time.process_time() - start
    raise SystemExit(f"{taken} of {FRAMES}")


def measure(client: str) -> float:
    """Run one client against a server of its own; give its CPU in µs a frame."""
    import trustme

    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        certificate, trusted = Path(folder, "server.pem"), Path(folder, "ca.pem")
        issued = authority.issue_cert("127.0.0.1")
        certificate.write_bytes(b"".join(blob.bytes() for blob in (issued.private_key_pem, *issued.cert_chain_pems)))
        authority.cert_pem.write_to_path(str(trusted))
        command = [sys.executable, __file__]
        with subprocess.Popen(
            [*command, "server", "--certificate", str(certificate)], stdout=subprocess.PIPE
        ) as server:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            try:
                spent = subprocess.run(
                    [*command, client, "--port", str(port)], check=True, capture_output=True, timeout=300,
                    env={"SSL_CERT_FILE": str(trusted), "PATH": "/usr/bin:/bin"},
                ).stdout  # fmt: skip
            finally:
                server.terminate()
    return float(spent) / FRAMES * 1e6


def main() -> None:
    """Print a table, or be one of the processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", nargs="?", default="all")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", default="")
    arguments = parser.parse_args()
    if arguments.role == "server":
        asyncio.run(serve(arguments.certificate))
    elif arguments.role == "ccxt":
        print(asyncio.run(with_ccxt(arguments.port)))
    elif arguments.role == "cryptofeed":
        print(asyncio.run(with_cryptofeed(arguments.port)))
    elif arguments.role in ENGINES:
        print(asyncio.run(with_tickwire(arguments.port, arguments.role)))
    else:
        theirs = measure("ccxt")
        for engine in ENGINES:
            ours = measure(engine)
            verdict = "met" if theirs / ours >= BUDGET else "NOT MET"
            figures = f"{engine:<8} {ours:4.1f} µs, ccxt.pro {theirs:4.1f} µs: {theirs / ours:.1f} × less"
            print(f"CPU a frame over wss: {figures}   budget ≥ {BUDGET}  {verdict}")
        if find_spec("cryptofeed") is None:
            print("cryptofeed is not installed here: its connection is not measured")
        else:
            print(f"CPU a frame over wss: cryptofeed's connection and json.loads alone {measure('cryptofeed'):4.1f} µs")


if __name__ == "__main__":
    main()
