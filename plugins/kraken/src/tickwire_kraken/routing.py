"""What else Kraken needs to be understood: its checksum, a CRC32 of the best ten levels, and past trades over REST."""

import zlib
from collections.abc import Sequence

from tickwire import Event, Instrument, Nanos, Side, Trade
from tickwire.native import NativeRouting
from tickwire.plugin import BookView, Fetch, Hole, Response
from tickwire_kraken.answers import result_of
from tickwire_kraken.info import KRAKEN
from tickwire_kraken.router import KrakenRouter
from tickwire_kraken.symbols import rest_name
from tickwire_kraken.wire import PastTrade


class KrakenRouting(NativeRouting):
    """Makes the routers, digests books and fetches past trades."""

    info = KRAKEN
    router_type = KrakenRouter

    def result(self, reply: Response) -> bytes:
        """Take the result out of its envelope; an error may stand there instead."""
        return result_of(reply)

    def checksum(self, book: BookView, instrument: Instrument) -> int:
        """Digest the best ten asks, then bids: digits at the pair's precision, without point and leading zeros.

        Source: Kraken docs, "Book checksum (WebSocket v2)" (read 2026-11-26).
        """
        price, size = instrument.price_text, instrument.size_text
        texts = [text for p, s in (*book.asks(10), *book.bids(10)) for text in (price(p), size(s))]
        return zlib.crc32("".join(text.replace(".", "").lstrip("0") for text in texts).encode())

    def history(self, hole: Hole) -> Fetch[Sequence[Event]]:
        """Fetch the first 1,000 trades after a moment, oldest first; ``since`` is in ns, and exclusive.

        The socket cuts times to microseconds where REST has more digits: hence one microsecond earlier.
        """
        i = hole.instrument
        query: dict[str, str | int] = {"pair": rest_name(i.native), "since": hole.start - 1_000, "count": 1000}
        # the rows stand under the pair's oldest name, beside ``last``, a text
        found, ts_recv = yield from self.get(
            dict[str, list[PastTrade] | str], "/0/public/Trades", query, limit="trades"
        )
        return [
            Trade(
                i.exchange, i.symbol, _nanos(row.time), ts_recv, row.price, row.qty,
                Side.BUY if row.side == "b" else Side.SELL, str(row.trade_id), row.trade_id, None, True,
            )
            for rows in found.values() if not isinstance(rows, str) for row in rows
        ]  # fmt: skip


def _nanos(seconds: float) -> Nanos:
    # a float of this size keeps microseconds, and no more
    return round(seconds * 1_000_000) * 1_000
