"""Frames in Backpack's format, made here: nothing recorded, the same every time."""

from __future__ import annotations

from random import Random

_TRADE = (
    '{"data":{"E":1788367430247494,"T":%d,"a":"113782701997686784","b":"113782700596854784","e":"trade","m":%s,'
    '"p":"%.2f","q":"%.2f","s":"SOL_USDC","t":%d},"stream":"trade.SOL_USDC"}'
)
_DEPTH = (
    '{"data":{"E":1788367430247494,"T":%d,"U":%d,"a":[%s],"b":[%s],"e":"depth","s":"SOL_USDC","u":%d},'
    '"stream":"depth.SOL_USDC"}'
)
_START = 1_788_367_430_000_000


def trades(count: int, seed: int = 1) -> list[bytes]:
    """Make ``count`` trade frames with consecutive ids."""
    random = Random(seed)
    return [
        (
            _TRADE
            % (
                _START + number,
                ("false", "true")[random.getrandbits(1)],
                98 + random.random(),
                random.random() * 100 + 0.01,
                number,
            )
        ).encode()
        for number in range(1, count + 1)
    ]


def depths(count: int, levels: int, first: int = 1, seed: int = 2) -> list[bytes]:
    """Make ``count`` consecutive depth frames of ``levels`` levels over a book of about 200 levels a side."""
    random = Random(seed)
    frames = []
    for number in range(first, first + count):
        sides: tuple[list[str], list[str]] = ([], [])
        for _ in range(levels):
            is_bid = random.getrandbits(1)
            price = 99 - random.randint(1, 200) / 100 if is_bid else 99 + random.randint(1, 200) / 100
            size = 0.0 if random.random() < 0.3 else random.random() * 300 + 0.01
            sides[is_bid].append(f'["{price:.2f}","{size:.2f}"]')
        asks, bids = (",".join(side) for side in sides)
        frames.append((_DEPTH % (_START + number, number, asks, bids, number)).encode())
    return frames
