"""Runs over real sockets are recorded and replayed: the replay's bytes are the live run's."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from nacl.signing import SigningKey

import tickwire
from tickwire import (
    BookSnapshot,
    Event,
    Feed,
    Gap,
    OrderUpdate,
    Reconnected,
    Registry,
    Trade,
    decode_event,
    encode_event,
)
from tickwire.feed.backoff import BackoffPolicy
from tickwire.model.errors import ConfigError
from tickwire.record.blocks import read_blocks
from tickwire.record.cryptofeed import read_cryptofeed
from tickwire.record.entries import Answered, Asked, Framed, Sent
from tickwire.record.reading import captures_in, open_capture
from tickwire.record.recording import Recording
from tickwire.record.replay import Replay
from tickwire.record.writer import CaptureOptions
from tickwire.run.config import config_from
from tickwire.run.runner import Runner
from tickwire.run.settings import Config, SinkConfig
from tickwire.simulation import Dress, MemoryTruth, SeededMarket, SimServer
from tickwire_backpack.simulator import BackpackSimulator
from tickwire_kestrel.simulator import KestrelSimulator

SHARED = Path(__file__).parents[3] / "shared" / "captures"
SYMBOLS = ("SOL-USDC", "BTC-USDC")
KINDS = {
    "backpack": (BackpackSimulator, SYMBOLS, SYMBOLS),
    "kestrel": (KestrelSimulator, ("SOL/USD", "BTC/USD"), ("SOL-USD", "BTC-USD")),
}


@attrs.define
class Watched:
    """A running simulator; ``moved`` is set with each change of its market."""

    server: SimServer
    market: SeededMarket
    moved: asyncio.Event = attrs.field(factory=asyncio.Event)

    def trade(self, trade: object, pit: object) -> None:
        self.moved.set()

    def change(self, change: object, pit: object) -> None:
        self.moved.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not reached():
                self.moved.clear()
                await self.moved.wait()

    async def trades(self, more: int) -> None:
        wanted = self.market.trades_made + more
        await self.until(lambda: self.market.trades_made >= wanted)


@asynccontextmanager
async def served(exchange: str = "backpack", rate: float = 1_000) -> AsyncIterator[Watched]:
    make, natives, _ = KINDS[exchange]
    dress: Dress = make()
    market = SeededMarket.of(make(), natives, seed=7, truth=MemoryTruth())
    watched = Watched(SimServer(dress, market, rate=rate), market)
    market.listen(watched)
    async with watched.server:
        yield watched


def entry_of(exchange: str, server: SimServer, /, **settings: object) -> dict[str, object]:
    return {
        "symbols": list(KINDS[exchange][2]),
        "channels": ["trades", "l2_book"],
        "endpoints": {"rest": server.rest_url, "websocket": server.ws_url},
        **settings,
    }


def config_for(
    folder: Path, *, state: Path | None = None, entries: dict[str, object] | None = None, **more: object
) -> Config:
    document: dict[str, object] = {
        "exchanges": (entries or {}) | more,
        "sinks": {"live": {"type": "jsonl", "path": str(folder / "live.jsonl")}},
    }
    if state is not None:
        document["state"] = str(state)
    return config_from(document, environ={})


@attrs.define
class Recorded:
    """A run that is being recorded, and where it goes."""

    folder: Path
    recording: Recording
    runner: Runner
    asked: asyncio.Event = attrs.field(factory=asyncio.Event)
    seen: list[Event] = attrs.field(factory=list)
    came: asyncio.Event = attrs.field(factory=asyncio.Event)

    @classmethod
    def of(cls, folder: Path, config: Config, **how: Any) -> Recorded:
        recording = Recording(CaptureOptions(folder / "captured", **how), config)
        one = cls(folder, recording, Runner(recording.recorded(config), surroundings=recording))
        for feed in one.runner.feeds:
            feed.on(Event, one._note)
        return one

    def _note(self, event: Event) -> None:
        self.seen.append(event)
        self.came.set()

    async def until(self, reached: Callable[[Sequence[Event]], bool]) -> None:
        async with asyncio.timeout(60):
            while not reached(self.seen):
                self.came.clear()
                await self.came.wait()

    async def saw(self, kind: type, count: int) -> None:
        await self.until(lambda seen: sum(isinstance(event, kind) for event in seen) >= count)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        run = asyncio.create_task(self.recording.around(self.runner).run(self.asked))
        try:
            yield
        finally:
            self.asked.set()
            await run


async def replayed(folder: Path, name: str, **settings: Any) -> tuple[bytes, Replay]:
    sinks = [SinkConfig("again", "jsonl", options={"path": str(folder / name)})]
    one = Replay(open_capture(folder / "captured"), sinks=sinks, **settings)
    await one.run()
    return (folder / name).read_bytes(), one


async def check_replays(folder: Path, **settings: Any) -> None:
    live = (folder / "live.jsonl").read_bytes()
    for name in ("once.jsonl", "twice.jsonl"):
        again, one = await replayed(folder, name, **settings)
        assert one.remarks() == []
        assert again == live


@pytest.mark.parametrize("exchange", KINDS)
def test_a_replay_is_the_live_run_to_the_byte_through_every_disconnection(exchange: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with served(exchange) as sim:
            one = Recorded.of(tmp_path, config_for(tmp_path, entries={exchange: entry_of(exchange, sim.server)}))
            async with one.running():
                await one.saw(BookSnapshot, 2)
                await one.saw(Trade, 20)
                for number in range(2):
                    await sim.server.stop(abrupt=bool(number))
                    await sim.trades(10)
                    await sim.server.start()
                    await one.saw(Reconnected, number + 1)
                    await one.saw(BookSnapshot, 2 * number + 4)
            assert any(isinstance(event, Gap) for event in one.seen)
            assert any(isinstance(event, Trade) and event.backfilled for event in one.seen)
        await check_replays(tmp_path)

    asyncio.run(main())


def test_the_parquet_of_a_replay_is_that_of_the_live_run(tmp_path: Path) -> None:
    def parquet(name: str) -> SinkConfig:
        return SinkConfig(name, "parquet", options={"path": str(tmp_path / name)})

    async def main() -> None:
        async with served() as sim:
            config = config_for(tmp_path, backpack=entry_of("backpack", sim.server))
            one = Recorded.of(tmp_path, attrs.evolve(config, sinks=(parquet("live"),)))
            async with one.running():
                await one.saw(Trade, 20)
                await sim.server.stop()
                await sim.server.start()
                await one.saw(Reconnected, 1)
                await one.saw(BookSnapshot, 4)
        replay = Replay(open_capture(tmp_path / "captured"), sinks=[parquet("again")])
        await replay.run()
        assert replay.remarks() == []

    asyncio.run(main())
    live, again = (tickwire.load(tmp_path / name).tables for name in ("live", "again"))
    assert set(live) == {"trades", "l2_book", "quality"}
    assert live == again


def test_several_feeds_are_replayed_in_their_common_order(tmp_path: Path) -> None:
    async def main() -> None:
        async with served("backpack") as first, served("kestrel") as second:
            config = config_for(
                tmp_path,
                backpack=entry_of("backpack", first.server, numbers="decimal"),
                kestrel=entry_of("kestrel", second.server, connections=2),
            )
            one = Recorded.of(tmp_path, config)
            async with one.running():
                await one.saw(BookSnapshot, 4)
                await one.saw(Trade, 100)
        await check_replays(tmp_path)

    asyncio.run(main())


def test_feeds_of_a_recorded_run_share_the_exchanges_budget(tmp_path: Path) -> None:
    async def main() -> None:
        async with served() as sim:
            # the whole budget of dials and requests is declared once an exchange, however many feeds ask
            config = config_for(
                tmp_path,
                one=entry_of("backpack", sim.server, exchange="backpack"),
                two=entry_of("backpack", sim.server, exchange="backpack", channels=["trades"]),
            )
            recorded = Recorded.of(tmp_path, config)
            first, second = (feed.requests().limits for feed in recorded.runner.feeds)
            assert first is second
            async with recorded.running():
                await recorded.saw(BookSnapshot, 2)
        await check_replays(tmp_path)

    asyncio.run(main())


def test_what_an_earlier_run_left_is_replayed_as_well(tmp_path: Path) -> None:
    async def main() -> None:
        state = tmp_path / "state"
        async with served() as sim:
            for name in ("first", "second"):
                folder = tmp_path / name
                config = config_for(folder, state=state, backpack=entry_of("backpack", sim.server))
                one = Recorded.of(folder, config)
                async with one.running():
                    await one.saw(BookSnapshot, 2)
                    await one.saw(Trade, 30)
                await sim.trades(10)
        assert any(isinstance(event, Gap) and event.cause == "not_running" for event in one.seen)
        await check_replays(tmp_path / "second")

    asyncio.run(main())


def test_the_library_gives_the_same_events(tmp_path: Path) -> None:
    async def main() -> None:
        async with served() as sim:
            one = Recorded.of(tmp_path, config_for(tmp_path, backpack=entry_of("backpack", sim.server)))
            async with one.running():
                await one.saw(Trade, 20)
        again = [encode_event(event) async for event in tickwire.replay(tmp_path / "captured")]
        assert again == [encode_event(event) for event in one.seen]

    asyncio.run(main())


def test_rotated_files_are_one_capture(tmp_path: Path) -> None:
    async def main() -> None:
        async with served() as sim:
            config = config_for(tmp_path, backpack=entry_of("backpack", sim.server))
            one = Recorded.of(tmp_path, config, rotate_size=3_000, flush=0.01)
            async with one.running():
                await one.saw(Trade, 100)
        files = open_capture(tmp_path / "captured").files
        assert len(files) > 1
        await check_replays(tmp_path)
        files[0].unlink()
        with pytest.raises(ConfigError, match="file 0 of run"):
            await replayed(tmp_path, "hole.jsonl")

    asyncio.run(main())


def texts_of(secret: str) -> list[bytes]:
    raw = secret.encode()
    return [raw, raw.hex().encode(), base64.b64encode(raw), base64.urlsafe_b64encode(raw), quote(secret).encode()]


def told_by(folder: Path) -> bytes:
    """Give everything that the files hold, as it is and unpacked."""
    capture = open_capture(folder)
    unpacked = [block for path in capture.files for block in read_blocks(path, [])]
    return b"".join([*(path.read_bytes() for path in capture.files), *unpacked])


@pytest.mark.parametrize("is_alone", [False, True], ids=["a recorded run", "the extension"])
def test_no_secret_reaches_the_files(is_alone: bool, tmp_path: Path) -> None:
    pair = {"api_key": KestrelSimulator.key, "api_secret": KestrelSimulator.secret}

    async def main() -> None:
        seen: list[Event] = []
        async with served("kestrel") as sim:
            channels = ["trades", "l2_book", "orders"]
            if is_alone:
                feed = Feed(
                    "kestrel", KINDS["kestrel"][2], channels, credentials=pair, rest=sim.server.rest_url,
                    websocket=sim.server.ws_url, extensions={"recorder": {"path": str(tmp_path / "captured")}},
                )  # fmt: skip
                feed.on(Event, seen.append)
                async with feed:
                    await sim.until(lambda: sum(isinstance(event, OrderUpdate) for event in seen) > 3)
            else:
                entry = entry_of("kestrel", sim.server, channels=channels, credentials=pair)
                one = Recorded.of(tmp_path, config_for(tmp_path, kestrel=entry))
                async with one.running():
                    await one.saw(OrderUpdate, 3)
        sent = [e.payload for e in open_capture(tmp_path / "captured").entries() if isinstance(e, Sent)]
        assert b'{"op":"login","id":0,"key":"***","ms":"***","sign":"***"}' in sent
        told = told_by(tmp_path / "captured")
        assert b"login" in told
        for secret in pair.values():
            assert [text for text in texts_of(secret) if text in told] == []
        if not is_alone:
            await check_replays(tmp_path)

    asyncio.run(main())


def test_a_signed_subscription_is_recorded_without_its_signature(tmp_path: Path) -> None:
    key = SigningKey.generate()
    secret, public = (base64.b64encode(bytes(one)).decode() for one in (key, key.verify_key))

    async def main() -> None:
        async with served() as sim:
            entry = entry_of("backpack", sim.server, credentials={"api_key": public, "api_secret": secret})
            one = Recorded.of(tmp_path, config_for(tmp_path, backpack=entry))
            async with one.running():
                await one.saw(Trade, 20)
        told = told_by(tmp_path / "captured")
        for text in (secret, public, bytes(key).hex(), bytes(key.verify_key).hex()):
            assert text.encode() not in told
        await check_replays(tmp_path)

    asyncio.run(main())


def check_trades(written: bytes, live: Sequence[Event]) -> None:
    """Hold a replay by time against the live run: what came while one of them was being stopped is not compared."""
    replayed = [event for event in map(decode_event, written.splitlines()) if isinstance(event, Trade)]
    lived = [event for event in live if isinstance(event, Trade)]
    shorter = min(len(replayed), len(lived))
    assert shorter > 20
    assert replayed[:shorter] == lived[:shorter]


# by time
def test_a_feed_with_the_recorder_of_its_own_is_replayed_by_time(tmp_path: Path) -> None:
    async def main() -> None:
        seen: list[Event] = []
        async with served(rate=300) as sim:
            feed = Feed(
                "backpack", SYMBOLS, ["trades", "l2_book"], rest=sim.server.rest_url, websocket=sim.server.ws_url,
                extensions={"recorder": {"path": str(tmp_path / "captured")}}, backoff=BackoffPolicy(first=0.05),
            )  # fmt: skip
            feed.on(Event, seen.append)
            async with feed:
                await sim.until(lambda: sum(isinstance(event, Trade) for event in seen) > 50)
            config = config_for(tmp_path, backpack=entry_of("backpack", sim.server))
        with pytest.raises(ConfigError, match="--config FILE"):
            await replayed(tmp_path, "none.jsonl")
        once, one = await replayed(tmp_path, "once.jsonl", config=config)
        twice, _ = await replayed(tmp_path, "twice.jsonl", config=config)
        assert once == twice
        assert one.remarks() == ["replayed by time: it was recorded without tickwire's own clock"]
        check_trades(once, seen)

    asyncio.run(main())


def test_other_code_than_recorded_goes_on_by_time_and_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with served() as sim:
            one = Recorded.of(tmp_path, config_for(tmp_path, backpack=entry_of("backpack", sim.server)))
            async with one.running():
                await one.saw(Trade, 100)
            other = config_for(tmp_path, backpack=entry_of("backpack", sim.server, channels=["trades"]))
        once, replay = await replayed(tmp_path, "once.jsonl", config=other)
        twice, _ = await replayed(tmp_path, "twice.jsonl", config=other)
        assert once == twice
        assert [remark.partition(":")[0] for remark in replay.remarks()] == ["replayed by time"]
        check_trades(once, one.seen)

    asyncio.run(main())


def test_a_config_that_is_taken_over_meanwhile_restarts_no_feed_and_is_replayed_by_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with served() as sim:
            config = config_for(tmp_path, backpack=entry_of("backpack", sim.server))
            fewer = config_for(tmp_path, backpack=entry_of("backpack", sim.server, symbols=["SOL-USDC"]))
            one = Recorded.of(tmp_path, config)
            async with one.running():
                await one.saw(BookSnapshot, 2)
                feeds = one.runner.feeds
                one.recording.interrupted("the configuration was read again")
                await one.runner.reload(one.recording.recorded(fewer))
                await one.saw(Trade, sum(isinstance(event, Trade) for event in one.seen) + 20)
                assert one.runner.feeds == feeds
        once, replay = await replayed(tmp_path, "once.jsonl")
        twice, _ = await replayed(tmp_path, "twice.jsonl")
        assert once == twice
        assert replay.remarks() == ["replayed by time: the configuration was read again"]
        assert b'"trade"' in once

    asyncio.run(main())


# the commands
CONFIG = """\
state: state
exchanges:
  backpack:
    symbols: [SOL-USDC, BTC-USDC]
    channels: [trades, l2_book]
    endpoints: {{rest: "{rest}", websocket: "{websocket}"}}
"""
SINK = "sinks: {live: {type: jsonl, path: live.jsonl}}\n"


async def command(folder: Path, *arguments: str) -> Process:
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tickwire.cli.main", *arguments,
        cwd=folder, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environ,
    )  # fmt: skip


async def ended(process: Process) -> tuple[int, bytes, str]:
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out, err.decode()


def write_config(folder: Path, server: SimServer, more: str = "") -> None:
    folder.mkdir(exist_ok=True)
    text = CONFIG.format(rest=server.rest_url, websocket=server.ws_url)
    (folder / "night.yaml").write_text(text + more)


def test_the_commands_record_and_replay(tmp_path: Path) -> None:
    async def main() -> None:
        async with served() as sim:
            write_config(tmp_path, sim.server, SINK)
            recording = await command(tmp_path, "record", "night.yaml", "--out", "captured", "--for", "1500ms")
            code, out, err = await ended(recording)
        assert (code, out) == (0, b""), err
        assert "entries · " in err.splitlines()[-1]
        assert not list((tmp_path / "captured").glob("*.tmp"))
        live = (tmp_path / "live.jsonl").read_bytes()
        code, out, err = await ended(await command(tmp_path, "replay", "captured"))
        assert code == 0, err
        assert list(map(decode_event, out.splitlines())) == list(map(decode_event, live.splitlines()))
        to = "jsonl:path=again.jsonl"
        code, out, err = await ended(await command(tmp_path, "replay", "captured", "--speed", "20", "--to", to))
        assert (code, out) == (0, b""), err
        assert (tmp_path / "again.jsonl").read_bytes() == live

    asyncio.run(main())


def test_without_sinks_nothing_is_printed_and_run_takes_the_recorder_from_its_config(tmp_path: Path) -> None:
    async def main() -> None:
        async with served() as sim:
            write_config(tmp_path, sim.server)
            first = await command(tmp_path, "record", "night.yaml", "--out", "captured", "--for", "1s")
            write_config(folder := tmp_path / "other", sim.server, SINK)
            named = "exchanges.backpack.extensions.recorder.path=captured"
            second = await command(folder, "run", "night.yaml", "--duration", "1s", "--set", named)
            for process in (first, second):
                code, out, err = await ended(process)
                assert (code, out) == (0, b""), err
        assert open_capture(tmp_path / "captured").begun.config is not None
        await check_replays(folder)

    asyncio.run(main())


def test_after_kill_9_the_capture_opens_and_its_replay_is_what_the_run_had_seen(tmp_path: Path) -> None:
    async def main() -> None:
        async with served() as sim:
            write_config(tmp_path, sim.server, SINK)
            process = await command(tmp_path, "record", "night.yaml", "--out", "captured")
            await sim.until(lambda: sim.server.clients > 0)
            # until more than the first flush is on disk: the file is looked at with each change of the market
            await sim.until(lambda: sum(one.stat().st_size for one in (tmp_path / "captured").iterdir()) > 20_000)
            process.send_signal(signal.SIGKILL)
            assert (await ended(process))[0] == -signal.SIGKILL
        (capture,) = captures_in(tmp_path / "captured")
        assert sum(isinstance(entry, Framed) for entry in capture.entries()) > 50
        live = [line for line in (tmp_path / "live.jsonl").read_bytes().splitlines() if is_market(line)]
        again, one = await replayed(tmp_path, "again.jsonl")
        lines = [line for line in again.splitlines() if is_market(line)]
        assert one.replayer.is_exact
        # the sink was a moment ahead of the capture, or the capture of the sink
        shorter = min(len(lines), len(live))
        assert shorter > 20
        assert lines[:shorter] == live[:shorter]
        # torn in the middle of a block: cut, and said
        cut = capture.files[-1]
        cut.write_bytes(cut.read_bytes()[:-7])
        _, torn = await replayed(tmp_path, "torn.jsonl")
        assert [remark.partition(" at byte")[0] for remark in torn.remarks()] == [f"{cut.name}: torn"]

    asyncio.run(main())


def is_market(line: bytes) -> bool:
    return line.startswith((b'{"type":"trade"', b'{"type":"book_'))


def test_a_replay_needs_neither_the_network_nor_the_state(tmp_path: Path) -> None:
    async def main() -> None:
        async with served() as sim:
            config = config_for(tmp_path, state=tmp_path / "state", backpack=entry_of("backpack", sim.server))
            one = Recorded.of(tmp_path, config)
            async with one.running():
                await one.saw(Trade, 20)
        before = sorted((tmp_path / "state").rglob("*"))
        times = [path.stat().st_mtime_ns for path in before]
        await check_replays(tmp_path)  # the server is gone
        assert sorted((tmp_path / "state").rglob("*")) == before
        assert [path.stat().st_mtime_ns for path in before] == times
        entries = list(open_capture(tmp_path / "captured").entries())
        asked = {entry.number for entry in entries if isinstance(entry, Asked)}
        assert asked >= {entry.number for entry in entries if isinstance(entry, Answered)} > set()

    asyncio.run(main())


def test_two_runs_in_one_folder_must_be_told_apart(tmp_path: Path) -> None:
    for _ in range(2):
        Recording(CaptureOptions(tmp_path / "captured")).close()
    captures = captures_in(tmp_path / "captured")
    with pytest.raises(ConfigError, match=f"holds 2 runs → choose with --run one of {captures[0].run_id}, "):
        open_capture(tmp_path / "captured")
    assert open_capture(tmp_path / "captured", captures[1].run_id).files == captures[1].files


def test_without_the_exchanges_plugin_a_replay_says_what_is_missing(tmp_path: Path) -> None:
    config = config_from({"exchanges": {"backpack": {"symbols": ["SOL-USDC"]}}}, environ={})
    Recording(CaptureOptions(tmp_path / "captured"), config).close()
    with pytest.raises(ConfigError, match="backpack"):
        Replay(open_capture(tmp_path / "captured"), registry=Registry.of())


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not here: raw captures of cryptofeed's")
@pytest.mark.parametrize(
    ("exchange", "folder", "counts"),
    [
        ("binance", "binance", {"trade": 2, "book_snapshot": 4, "book_delta": 172, "quote": 84}),
        ("binanceus", "binanceus", {"trade": 11, "book_snapshot": 4, "book_delta": 332, "quote": 128}),
    ],
)
def test_captures_of_cryptofeeds_are_replayed(
    exchange: str, folder: str, counts: dict[str, int], tmp_path: Path
) -> None:
    async def main() -> None:
        registry = Registry.discover()
        written: list[bytes] = []
        for name in ("once.jsonl", "twice.jsonl"):
            found = read_cryptofeed(SHARED / folder, exchange, None, registry)
            sinks = [SinkConfig("again", "jsonl", options={"path": str(tmp_path / name)})]
            await Replay(found.run, config=found.config, sinks=sinks, registry=registry).run()
            written.append((tmp_path / name).read_bytes())
        assert written[0] == written[1]
        kinds = Counter(line.split(b'"')[3].decode() for line in written[0].splitlines())
        assert {kind: kinds[kind] for kind in counts} == counts
        assert not kinds.keys() & {"gap", "stale", "reconnected"}

    asyncio.run(main())


@pytest.mark.long
def test_what_ccxt_saw_is_replayed_to_the_byte(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(rate=100) as sim:
            entry = entry_of("backpack", sim.server, exchange="backpack", plugin="ccxt_generic")
            one = Recorded.of(tmp_path, config_for(tmp_path, desk=entry))
            async with one.running():
                await one.saw(BookSnapshot, 2)
                await one.saw(Trade, 20)
        await check_replays(tmp_path)

    asyncio.run(main())
