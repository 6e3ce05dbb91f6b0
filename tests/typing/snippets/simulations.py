"""What tests of plugins use is typed: the dress of the simulated exchange, its records, its truth."""

from typing import assert_type

from tickwire import Nanos
from tickwire.plugin import Request
from tickwire.simulation import SimServer
from tickwire.testing import Dress, ManualClock, SimBook, SimClient, SimMarket, SimTrade
from tickwire_kestrel.simulator import KestrelSimulator


def dressed(server: SimServer, market: SimMarket, clock: ManualClock, book: SimBook) -> None:
    dress: Dress = KestrelSimulator()
    assert_type(server.rest_url, str)
    assert_type(clock.now(), Nanos)
    assert_type(market.book("SOL/USD", 10), SimBook)
    assert_type(book.previous, int | None)


class Undressed:
    def rest(self, request: Request, market: SimMarket) -> object: ...
    def received(self, payload: bytes, client: SimClient) -> None: ...


bare: Dress = Undressed()  # E[assignment]: variable has type "Dress"


def row(trade: SimTrade) -> float:
    return trade.price  # E[return-value]: got "str", expected "float"
