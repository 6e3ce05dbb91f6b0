"""Make the table of what ccxt's classes can do: ``python -m tickwire_ccxt_generic.generate [--file FILE] [--write]``.

Without ``--write`` it tells how the checked-in table differs from the installed ccxt, and ends with 1 where it does.
No exchange is asked: everything is read off the classes.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tickwire import Channel
from tickwire_ccxt_generic.capabilities import CREDENTIALS, TABLE, Capabilities, Table

__all__ = ["capabilities_of_class", "installed_table", "main", "table_text"]

_METHODS = {
    Channel.TRADES: "trades",
    Channel.L2_BOOK: "order_book",
    Channel.TICKER: "ticker",
    Channel.L1_BOOK: "bids_asks",
    Channel.CANDLES: "ohlcv",
}
_MANY = {"trades": "trades_for_symbols", "order_book": "order_book_for_symbols", "ticker": "tickers"} | {
    "bids_asks": "bids_asks",  # the only form it has
    "ohlcv": "ohlcv_for_symbols",
}
_FETCHED = [Channel.TRADES, Channel.L2_BOOK, Channel.TICKER, Channel.CANDLES]
_PUBLIC = ("public", "rest", "spot", "market", "publicMarket")
# ids of derivatives whose class also knows the addresses of the spot market
_DERIVATIVES = {
    "binanceusdm": ("fapiPublic", "linear"),
    "binancecoinm": ("dapiPublic", "inverse"),
    "kucoinfutures": ("futuresPublic", "futures"),
}
_PRECISION = {2: "decimal_places", 3: "significant_digits", 4: "tick_size"}


def installed_table() -> Table:
    """Read the installed ccxt."""
    import ccxt
    import ccxt.async_support
    import ccxt.pro

    classes = {
        name: getattr(ccxt.pro if name in ccxt.pro.exchanges else ccxt.async_support, name) for name in ccxt.exchanges
    }
    found = {name: capabilities_of_class(made, name in ccxt.pro.exchanges) for name, made in classes.items()}
    return Table(ccxt.__version__, found)


def capabilities_of_class(made: Any, streams: bool) -> Capabilities:
    """Read one class of ccxt.

    Args:
        made: The class.
        streams: It is one of ``ccxt.pro``.
    """
    exchange = made()
    has = exchange.has
    watch = [each for each, method in _METHODS.items() if streams and has.get(_camel("watch", method))]
    urls = exchange.urls
    first = (*_DERIVATIVES.get(exchange.id, ()), *_PUBLIC)
    addresses = list(_addresses([urls["api"], urls.get("ws") or {}], exchange.hostname or "", first))
    required = exchange.requiredCredentials
    return Capabilities(
        rest=next(base for scheme, base in addresses if scheme == "https"),
        websocket=next((base for scheme, base in addresses if scheme == "wss"), None) if streams else None,
        streams=streams,
        watch=tuple(watch),
        watch_many=tuple(each for each in watch if has.get(_camel("watch", _MANY[_METHODS[each]]))),
        unwatch=tuple(each for each in watch if _is_own(made, f"un_watch_{_METHODS[each]}")),
        unwatch_many=tuple(each for each in watch if _is_own(made, f"un_watch_{_MANY[_METHODS[each]]}")),
        fetch=tuple(each for each in _FETCHED if has.get(_camel("fetch", _METHODS[each]))),
        intervals=tuple(exchange.timeframes or ()),
        precision=_PRECISION[exchange.precisionMode],
        credentials=tuple(ours for ours, theirs in CREDENTIALS.items() if required.get(theirs)),
    )


def table_text(made: Table) -> str:
    """Write a table, a line for each exchange."""
    rows = [f"    {_json(name)}: {_json(each)}" for name, each in made.exchanges.items()]
    return f'{{\n  "ccxt": {_json(made.ccxt)},\n  "exchanges": {{\n' + ",\n".join(rows) + "\n  }\n}\n"


def main(arguments: list[str] | None = None) -> int:
    """Compare, or write; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tickwire_ccxt_generic.generate", description=__doc__)
    parser.add_argument("--file", type=Path, default=Path(__file__).with_name(TABLE), help="the table")
    parser.add_argument("--write", action="store_true", help="replace it")
    given = parser.parse_args(arguments)
    made = table_text(installed_table())
    if given.write:
        given.file.write_text(made)
        return 0
    kept = given.file.read_text()
    lines = difflib.unified_diff(kept.splitlines(), made.splitlines(), TABLE, "installed ccxt", n=0, lineterm="")
    sys.stdout.writelines(f"{line}\n" for line in lines)
    if made != kept:
        sys.stdout.write("the table is not that of the installed ccxt: nox -s ccxt_table -- --write\n")
    return int(made != kept)


def _addresses(urls: Any, hostname: str, first: Sequence[str]) -> Iterator[tuple[str, str]]:
    if isinstance(urls, str):
        parts = urlsplit(urls.replace("{hostname}", hostname))
        yield parts.scheme, f"{parts.scheme}://{parts.netloc}"
        return
    inner = urls
    if isinstance(urls, Mapping):
        preferred = [name for name in first if name in urls]
        inner = [urls[name] for name in [*preferred, *(name for name in urls if name not in preferred)]]
    for each in inner:
        yield from _addresses(each, hostname, first)


# ``has`` lies about un-watching, in both directions; ccxt's base class has every method, which raises NotSupported
def _is_own(made: Any, method: str) -> bool:
    owner = next((each for each in made.__mro__ if method in vars(each)), None)
    return owner is not None and ".base." not in owner.__module__


def _camel(verb: str, method: str) -> str:
    words = "OHLCV" if method == "ohlcv" else "".join(word.capitalize() for word in method.split("_"))
    return f"{verb}{words.replace('Ohlcv', 'OHLCV')}"


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=0).decode()


if __name__ == "__main__":
    sys.exit(main())
