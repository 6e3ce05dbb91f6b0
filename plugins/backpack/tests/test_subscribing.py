"""SUBSCRIBE and UNSUBSCRIBE as the exchange wants them: no acknowledgement ever, private streams signed."""

from __future__ import annotations

import json

from tickwire import Channel, Instruments, Subscription
from tickwire.plugin import Send
from tickwire_backpack.auth import BackpackSigner
from tickwire_backpack.info import BACKPACK
from tickwire_backpack.routing import BackpackRouter


def asked(send: Send) -> object:
    return json.loads(send.payload)


def test_all_subscriptions_go_out_in_one_frame(router: BackpackRouter, instruments: Instruments) -> None:
    sol = instruments.native["SOL_USDC"]
    wanted = [Subscription(channel, sol) for channel in (Channel.L2_BOOK, Channel.TRADES, Channel.L1_BOOK)]
    (send,) = router.subscribe(wanted)
    assert asked(send) == {"method": "SUBSCRIBE", "params": ["depth.SOL_USDC", "trade.SOL_USDC", "bookTicker.SOL_USDC"]}
    assert send.subscriptions == tuple(wanted)


def test_an_unsubscription_is_never_signed(instruments: Instruments, signer: BackpackSigner) -> None:
    (send,) = BackpackRouter(instruments, signer).unsubscribe(
        [Subscription(Channel.L2_BOOK, instruments.native["SOL_USDC"])]
    )
    assert asked(send) == {"method": "UNSUBSCRIBE", "params": ["depth.SOL_USDC"]}
    assert send.subscriptions == ()


def test_an_interval_of_the_book_stands_before_the_symbol(router: BackpackRouter, instruments: Instruments) -> None:
    intervals = BACKPACK.channels[Channel.L2_BOOK].intervals
    streams = [
        router.stream(Subscription(Channel.L2_BOOK, instruments.native["AAPL.US_USDC_PERP"], interval=interval))
        for interval in intervals
    ]
    assert streams == [
        "depth.200ms.AAPL.US_USDC_PERP",
        "depth.600ms.AAPL.US_USDC_PERP",
        "depth.1000ms.AAPL.US_USDC_PERP",
    ]


def test_a_depth_is_no_part_of_the_stream_since_there_is_only_the_whole_book(
    router: BackpackRouter, instruments: Instruments
) -> None:
    sol = instruments.native["SOL_USDC"]
    (send,) = router.subscribe([Subscription(Channel.L2_BOOK, sol, depth=100), Subscription(Channel.L2_BOOK, sol)])
    assert asked(send) == {"method": "SUBSCRIBE", "params": ["depth.SOL_USDC"]}


def test_native_symbols_keep_their_case_and_their_dots(router: BackpackRouter, instruments: Instruments) -> None:
    streams = [
        router.stream(Subscription(Channel.TRADES, instruments.native[native]))
        for native in ("kPEPE_USDC_PERP", "AAPL.US_USDC_PERP")
    ]
    assert streams == ["trade.kPEPE_USDC_PERP", "trade.AAPL.US_USDC_PERP"]


def test_a_public_subscription_is_never_signed(instruments: Instruments, signer: BackpackSigner) -> None:
    (send,) = BackpackRouter(instruments, signer).subscribe(
        [Subscription(Channel.TRADES, instruments.native["SOL_USDC"])]
    )
    assert asked(send) == {"method": "SUBSCRIBE", "params": ["trade.SOL_USDC"]}


def test_a_private_stream_is_signed_by_the_documented_vector(instruments: Instruments, signer: BackpackSigner) -> None:
    assert BackpackRouter(instruments, signer).request(True, ["account.orderUpdate"], 1) == {
        "method": "SUBSCRIBE",
        "params": ["account.orderUpdate"],
        "signature": [
            "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
            "Uf+mBpqN/y/EzT77rzrj7ga4mdvZmzq4XW+Lh+9B0K0wLMFJrInMKcACIpSpVaPNzrFEpPhINxEP2rNI3E92CA==",
            "1614550000000",
            "5000",
        ],
    }


def test_one_private_stream_among_public_ones_signs_the_frame(instruments: Instruments, signer: BackpackSigner) -> None:
    request = BackpackRouter(instruments, signer).request(True, ["trade.SOL_USDC", "account.orderUpdate"], 1)
    assert isinstance(request, dict)
    assert request["signature"] == signer.subscription()


def test_nothing_is_said_on_opening_and_nothing_keeps_the_connection_alive_but_pings(router: BackpackRouter) -> None:
    assert (list(router.opened()), list(router.heartbeat(7))) == ([], [])
    assert {endpoint.heartbeat for endpoint in BACKPACK.sockets.values()} == {None}
