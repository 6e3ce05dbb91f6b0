"""Feeds: what is iterated, and callbacks that take what they are registered for."""

from typing import assert_type

from tickwire import (
    AccountEvent,
    Event,
    EventOf,
    Feed,
    Gap,
    MarketEvent,
    OrderUpdate,
    QualityEvent,
    Subscribe,
    Trade,
    stream,
)


def on_trade(trade: Trade) -> None: ...
def on_gap(gap: Gap) -> None: ...
def on_market(event: MarketEvent) -> None: ...
def on_quality(event: QualityEvent) -> None: ...
def on_account(event: AccountEvent) -> None: ...
def on_order(order: OrderUpdate) -> None: ...
def on_any(event: Event) -> None: ...
def on_two(event: Trade | Gap) -> None: ...
async def on_trade_later(trade: Trade) -> None: ...


def callbacks(feed: Feed) -> None:
    feed.on(Trade, on_trade)
    feed.on(Trade[float], on_trade)
    feed.on(Trade, on_trade_later)
    feed.on(Trade, on_market)
    feed.on(Trade, on_any)
    feed.on(MarketEvent, on_market)
    feed.on(QualityEvent, on_quality)
    feed.on(Event, on_any)
    feed.on(AccountEvent, on_account)
    feed.on(OrderUpdate[float], on_order)
    feed.on(Trade | Gap, on_two)
    feed.on(Trade, lambda trade: trade.price)
    feed.on(Trade, on_gap)  # E[arg-type]: "Callable[[Gap], None]"
    feed.on(Gap, on_trade_later)  # E[arg-type]: expected "Callable[[Gap], object]"
    feed.on(MarketEvent, on_trade)  # E[arg-type]: expected "Callable[[MarketEvent], object]"
    feed.on(Gap, lambda gap: gap.price)  # E[attr-defined]: "Gap" has no attribute "price"
    feed.on(str, print)  # E[type-var]: Value of type variable "E" of "on" of "Feed" cannot be "str"
    feed.on("trades", on_trade)  # E[call-overload]: No overload variant of "on" of "Feed" matches


async def iterate() -> None:
    async with Feed("acme", symbols=["SOL-USD"], channels=["trades", Subscribe.l2_book(depth=100)]) as feed:
        assert_type(feed, Feed)
        async for event in feed:
            assert_type(event, EventOf[float])
            assert_type(event.symbol, str | None)
            if isinstance(event, Trade):
                assert_type(event.symbol, str)
                assert_type(event.price, float)
                on_trade(event)
                on_gap(event)  # E[arg-type]: expected "Gap"
            elif isinstance(event, OrderUpdate):
                assert_type(event, OrderUpdate[float])
                on_order(event)
            elif isinstance(event, Gap):
                assert_type(event, Gap)
                event.price  # E[attr-defined]: "Gap" has no attribute "price"
        await feed.subscribe(["BTC-USD"], ["trades"])
        feed.subscribe(["BTC-USD"], ["trades"])  # E[unused-coroutine]: must be used
    for event in feed:  # E[attr-defined]: "Feed[float]" has no attribute "__iter__"
        pass


def scripts() -> None:
    for event in stream("acme", ["SOL-USD"], seconds=30):
        assert_type(event, EventOf[float])
    stream("acme")  # E[call-arg]: Missing positional argument "symbols"
    Feed("acme", depth=100)  # E[call-arg]: Unexpected keyword argument "depth"
