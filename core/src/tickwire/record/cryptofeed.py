"""Raw captures of cryptofeed's as entries of ours: who collected with it can replay what he has.

``URL -> TIME: BODY`` is an answer over HTTP, ``URL <-> TIME`` where a socket was opened, ``URL <- TIME: FRAME`` what
was sent to it, ``TIME: FRAME`` what came; times are seconds. Files ``NAME.0``, ``NAME.http.0.0``, ``NAME.ws.1.0`` are
one capture. It does not say what was subscribed to: that is the user's to say, else every instrument is taken whose
native symbol stands somewhere in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import attrs

from tickwire.model.clock import Nanos
from tickwire.model.errors import ConfigError
from tickwire.model.instruments import Instrument
from tickwire.plugin.info import Support
from tickwire.plugin.protocols import Response
from tickwire.plugin.registry import Registry
from tickwire.record.by_time import ANYWHERE
from tickwire.record.entries import FORMAT, Answered, Asked, Dialed, Dialing, Ended, Entry, Framed, RunBegun
from tickwire.record.foreign import FOREIGN
from tickwire.record.turns import SETTLED
from tickwire.run.config import config_from
from tickwire.run.feed import Feed
from tickwire.run.run_id import new_run_id
from tickwire.run.settings import Config

__all__ = ["Cryptofeeds", "read_cryptofeed"]

_HTTP = re.compile(rb"(https?://\S+) -> (\d+(?:\.\d+)?): (.*)", re.DOTALL)
_OPENED = re.compile(rb"(wss?://\S+) <-> (\d+(?:\.\d+)?)")
_CAME = re.compile(rb"(\d{9,}(?:\.\d+)?): (.*)", re.DOTALL)
_WORD = re.compile(rb"[A-Za-z0-9_-]+")
_JSON = {"content-type": "application/json"}
_CHANNELS = ("trades", "l2_book", "l1_book")


@attrs.frozen
class Cryptofeeds:
    """A capture of cryptofeed's, read.

    Attributes:
        run: Its beginning and its entries.
        config: What to subscribe to.
    """

    run: tuple[RunBegun, list[Entry]]
    config: Config


@attrs.frozen
class _Line:
    ts: Nanos
    kind: str
    source: int
    url: str
    data: bytes


def read_cryptofeed(path: Path, exchange: str | None, config: Config | None, registry: Registry) -> Cryptofeeds:
    """Read a folder of one capture's files, or the files that share one of them's name.

    Args:
        path: The folder, or one of the files.
        exchange: Its id with us; not needed with a config.
        config: What to subscribe to; ``None``: trades and books of the instruments that it names.
        registry: The plugins.

    Raises:
        ConfigError: There is no such capture, or nobody serves the exchange.
    """
    lines = sorted(_lines(_files(path)), key=lambda line: line.ts)
    if not lines:
        raise ConfigError(f"no capture of cryptofeed's in {str(path)!r}", hint="name its folder")
    first = lines[0].ts
    run_id = new_run_id(first // 1_000_000, first.to_bytes(10, "big"))
    if config is None:
        assert exchange is not None
        config = _config(exchange, lines, registry)
    feed = config.exchanges[0].name
    begun = RunBegun(first, first, FORMAT, FOREIGN, run_id, 0, False, None)
    return Cryptofeeds((begun, list(_entries(lines, feed))), config)


def _config(exchange: str, lines: list[_Line], registry: Registry) -> Config:
    info = registry.select(exchange).claim.info
    has = {channel.value for channel, declared in info.channels.items() if declared.support is Support.YES}
    channels = [name for name in _CHANNELS if name in has]
    said = {word.lower() for line in lines for word in _WORD.findall(_said(line))}
    listed = _instruments(exchange, lines, registry)
    symbols = [one.symbol for one in listed if one.native.lower().encode() in said]
    if not symbols:
        raise ConfigError(
            f"the capture names no instrument of {exchange!r} that it lists", hint="give what to replay: --config FILE"
        )
    return config_from({"exchanges": {exchange: {"symbols": symbols, "channels": channels}}}, environ={})


# What is about an instrument names it in an address or a frame; a list of all of them says nothing.
def _said(line: _Line) -> bytes:
    return line.data if line.kind == "came" else line.url.encode()


def _instruments(exchange: str, lines: list[_Line], registry: Registry) -> list[Instrument]:
    bodies = {urlsplit(line.url).path: line for line in lines if line.kind == "http"}
    conversation = Feed(exchange, registry=registry).wiring.symbols.load()
    try:
        request = next(conversation)
        while True:
            line = bodies.get(request.path.partition("?")[0])
            if line is None:
                raise ConfigError(
                    f"the capture has no answer to {request}, which lists the instruments",
                    hint="it cannot be replayed without",
                )
            request = conversation.send(Response(200, _JSON, line.data, line.ts))
    except StopIteration as ended:
        return list(ended.value)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(one for one in path.iterdir() if re.fullmatch(r".+?(?:\.(?:http|ws))?(?:\.\d+)+", one.name))
    return sorted(path.parent.glob(f"{path.name.partition('.')[0]}.*"))


def _lines(files: list[Path]) -> Iterator[_Line]:
    for source, path in enumerate(files):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read {str(path)!r}: {error.strerror}", hint="name the capture") from error
        for line in data.splitlines():
            if found := _HTTP.match(line):
                yield _Line(_nanos(found[2]), "http", source, found[1].decode(), found[3])
            elif found := _OPENED.match(line):
                yield _Line(_nanos(found[2]), "opened", source, found[1].decode(), b"")
            elif found := _CAME.match(line):
                yield _Line(_nanos(found[1]), "came", source, "", found[2])


def _entries(lines: list[_Line], feed: str) -> Iterator[Entry]:
    connections: dict[int, int] = {}
    start = lines[0].ts
    for number, line in enumerate(lines):
        ts, mono = line.ts, line.ts
        if line.kind == "http":
            parts = urlsplit(line.url)
            params = dict(parse_qsl(parts.query, keep_blank_values=True))
            base = f"{parts.scheme}://{parts.netloc}"
            # when it was asked is not known: the answers wait for who asks
            yield Asked(start, feed, number, "GET", parts.path, params, None, {}, base, False)
            yield Answered(SETTLED, ts, mono, feed, number, ts, 200, _JSON, line.data)
        elif line.kind == "opened":
            if line.source in connections:
                yield Ended(SETTLED, ts, mono, feed, connections[line.source], 1006, "opened anew")
            connections[line.source] = number
            yield Dialing(ts, feed, number, ANYWHERE)
            yield Dialed(SETTLED, ts, mono, feed, number, False)
        elif line.source in connections:
            yield Framed(SETTLED, ts, mono, feed, connections[line.source], ts, line.data)


def _nanos(seconds: bytes) -> Nanos:
    return int(Decimal(seconds.decode()) * 10**9)
