"""What {{ cookiecutter.title }} can do; core reads it before anything connects (README.md, read 2026-11-26)."""

from tickwire import Channel
from tickwire.plugin import (
    BookFeed,
    BookStart,
    By,
    ChannelInfo,
{% if cookiecutter.checksum %}
    Checksum,
{% endif %}
    Endpoint,
    ExchangeInfo,
    History,
    Ids,
    RateLimit,
    SequenceRule,
    Stamp,
    Tier,
)

{{ cookiecutter.__constant }} = ExchangeInfo(
    id="{{ cookiecutter.exchange }}",
    tier=Tier.NATIVE,
    rest=("https://api.made-up.example",),
    sockets={
        "public": Endpoint("wss://ws.made-up.example/public", max_streams=100, batch=20, heartbeat=15, max_age=86_400),
{% if cookiecutter.auth != "none" %}
        "private": Endpoint("wss://ws.made-up.example/private", batch=20, heartbeat=15, login=True),
{% endif %}
    },
    channels={
        Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE, history=History(By.ID, page=500)),
        Channel.L2_BOOK: ChannelInfo(ts_event=Stamp.PUBLISHED),
{% if cookiecutter.auth != "none" %}
        Channel.ORDERS: ChannelInfo(socket="private"),
{% endif %}
    },
{% if cookiecutter.book == "socket" %}
    book=BookFeed(
        BookStart.SOCKET,  # the first message of a subscription is the whole book
        SequenceRule.LINKED,  # each change names the one before it
{% elif cookiecutter.book == "rest" %}
    book=BookFeed(
        BookStart.REST,  # the socket sends changes only
        SequenceRule.CONSECUTIVE,  # a change begins where the one before it ended
{% else %}
    book=BookFeed(
        BookStart.EVERY_FRAME,  # each message is the whole book
        SequenceRule.INCREASING,
        windowed=True,
        depths=(20,),
{% endif %}
{% if cookiecutter.checksum %}
        checksum=Checksum(levels=10),
{% endif %}
    ),
    limits={"default": RateLimit(weight=1200, seconds=60)},
{% if cookiecutter.auth != "none" %}
    credentials=("api_key", "api_secret"),
{% endif %}
    docs_url="https://docs.made-up.example",
    simulator="{{ cookiecutter.__package }}.simulator:{{ cookiecutter.__class }}Simulator",
)
