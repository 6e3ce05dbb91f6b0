"""Where requests meet the transport: budget, host and signature, and what an answer means for the requests to come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tickwire.feed.limits import Limits, shared_limits
from tickwire.feed.requests import Requests
from tickwire.model.clock import ManualClock, SystemClock
from tickwire.model.errors import (
    AuthRejectedError,
    ConnectionLostError,
    ExchangeUnavailableError,
    PluginContractError,
    RateLimitedError,
    TickwireError,
)
from tickwire.model.metrics import Metrics
from tickwire.plugin.assembly import Wiring
from tickwire.plugin.info import ExchangeInfo, RateLimit, Tier
from tickwire.plugin.protocols import Fetch, Network, Request, Response, Signer

if TYPE_CHECKING:
    from conftest import Toy

TWO = ("https://api.acme.example", "https://api1.acme.example")
INFO = ExchangeInfo("acme", Tier.NATIVE, TWO, {}, {}, {"default": RateLimit(10, 60), "slow": RateLimit(2, 60)})
BOOK = Request("GET", "/book")


@attrs.define(eq=False)
class Hosts:
    """A transport whose hosts answer as the test says."""

    clock: ManualClock
    answers: dict[str | None, TickwireError | None] = attrs.field(factory=dict)
    seen: list[Request] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)

    async def fetch(self, request: Request) -> Response:
        self.seen.append(request)
        self.times.append(self.clock.monotonic())
        answer = self.answers.get(request.base_url)
        if answer is not None:
            raise answer
        return Response(200, {}, b"{}", self.clock.now())

    @property
    def asked(self) -> list[str | None]:
        return [request.base_url for request in self.seen]


class Stamp:
    """Signs with the time."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def sign(self, request: Request) -> Request:
        return attrs.evolve(request, headers={"X-SIGN": f"{request.base_url} {self._clock.monotonic():g}"})


class Desk:
    """The requests of one feed of an exchange with two hosts."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        clock: ManualClock | None = None,
        network: Network | None = None,
        is_signing: bool = False,
    ) -> None:
        self.clock = clock or ManualClock()
        self.hosts = Hosts(self.clock)
        self.metrics = Metrics()
        signer: Signer | None = Stamp(self.clock) if is_signing else None
        unused: Any = None
        wiring = Wiring(INFO, "acme", unused, signer, self.hosts, unused, unused, {})  # type: ignore[arg-type]
        self.limits = limits or Limits(self.clock)
        self.requests = Requests(wiring, network or Network(TWO, {}), self.limits, self.clock, self.metrics)

    async def error(self, request: Request = BOOK) -> TickwireError:
        with pytest.raises(TickwireError) as raised:
            await self.requests.fetch(request)
        return raised.value


# hosts


@pytest.mark.parametrize(
    "outage",
    [
        ConnectionLostError("cannot reach it (name not resolved)"),
        ExchangeUnavailableError("451", status=451),
        ExchangeUnavailableError("403", status=403),
        ExchangeUnavailableError("503", status=503, retry_after=60),
    ],
    ids=str,
)
def test_a_get_that_a_host_does_not_serve_goes_to_the_next_one_at_once(
    outage: TickwireError, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        desk = Desk()
        desk.hosts.answers[TWO[0]] = outage
        await desk.requests.fetch(BOOK)
        await desk.requests.fetch(BOOK)
        assert desk.hosts.asked == [TWO[0], TWO[1], TWO[1]]
        await desk.clock.advance(300)
        desk.hosts.answers.clear()
        await desk.requests.fetch(BOOK)
        assert desk.hosts.asked[3:] == [TWO[0]]

    asyncio.run(main())
    assert caplog.messages == [
        f"acme: api.acme.example does not serve us ({outage}), trying api1.acme.example"
    ]  # fmt: skip


def test_each_host_is_tried_once_and_the_last_error_comes_out() -> None:
    async def main() -> None:
        desk = Desk()
        desk.hosts.answers = {TWO[0]: ConnectionLostError("first"), TWO[1]: ConnectionLostError("second")}
        assert str(await desk.error()) == "second"
        assert desk.hosts.asked == [TWO[0], TWO[1]]

    asyncio.run(main())


def test_a_post_is_not_repeated_but_the_next_request_goes_to_the_next_host() -> None:
    async def main() -> None:
        desk = Desk()
        desk.hosts.answers[TWO[0]] = ConnectionLostError("no answer within the time-out")
        await desk.error(Request("POST", "/token"))
        await desk.requests.fetch(BOOK)
        assert desk.hosts.asked == [TWO[0], TWO[1]]

    asyncio.run(main())


@pytest.mark.parametrize("error", [RateLimitedError("429"), RateLimitedError("418", is_ban=True)], ids=str)
def test_a_rate_limit_never_changes_the_host(error: RateLimitedError) -> None:
    async def main() -> None:
        desk = Desk()
        desk.hosts.answers[TWO[0]] = error
        assert await desk.error() is error
        desk.hosts.answers.clear()
        asking = asyncio.create_task(desk.requests.fetch(BOOK))
        await desk.clock.advance(5)
        await asking
        assert desk.hosts.asked == [TWO[0], TWO[0]]

    asyncio.run(main())


def test_a_request_with_a_host_of_its_own_goes_there_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        desk = Desk()
        desk.hosts.answers["https://auth.acme.example"] = ConnectionLostError("no")
        await desk.error(Request("GET", "/token", base_url="https://auth.acme.example"))
        await desk.requests.fetch(BOOK)
        assert desk.hosts.asked == ["https://auth.acme.example", TWO[0]]

    asyncio.run(main())
    assert caplog.messages == []


def test_an_outage_told_inside_status_200_leaves_the_host_too() -> None:
    def strict() -> Fetch[None]:
        answer = yield BOOK
        raise ExchangeUnavailableError(f"maintenance: {answer.body!r}")

    async def main() -> None:
        desk = Desk()
        with pytest.raises(ExchangeUnavailableError):
            await desk.requests.converse(strict())
        await desk.requests.fetch(BOOK)
        assert desk.hosts.asked == [TWO[0], TWO[1]]

    asyncio.run(main())


# signing


def test_a_request_is_signed_for_its_host_when_it_is_sent_not_when_it_queued() -> None:
    async def main() -> None:
        desk = Desk(is_signing=True)
        desk.requests.limits.limiter("default").refuse(30)
        asking = asyncio.create_task(desk.requests.fetch(attrs.evolve(BOOK, signed=True)))
        await desk.clock.advance(31)
        await asking
        assert [request.headers for request in desk.hosts.seen] == [{"X-SIGN": f"{TWO[0]} 30"}]
        await desk.requests.fetch(BOOK)
        assert desk.hosts.seen[-1].headers == {}

    asyncio.run(main())


def test_a_signed_request_without_credentials_is_refused_and_says_what_to_do() -> None:
    async def main() -> None:
        desk = Desk()
        error = await desk.error(Request("GET", "/v1/account", signed=True))
        assert isinstance(error, AuthRejectedError)
        assert str(error) == "GET /v1/account must be signed, and no credentials are set → set credentials"
        assert desk.hosts.seen == []

    asyncio.run(main())


# budgets


def test_weights_are_spent_from_the_limit_a_request_names() -> None:
    async def main() -> None:
        desk = Desk()
        tasks = [asyncio.create_task(desk.requests.fetch(attrs.evolve(BOOK, weight=weight))) for weight in (4, 6, 1)]
        tasks += [asyncio.create_task(desk.requests.fetch(Request("GET", "/old", limit="slow"))) for _ in range(3)]
        await desk.clock.advance(1)
        ratios = {labels["limit"]: value for name, labels, value in desk.metrics if name == "limiter_used_ratio"}
        assert ([request.path for request in desk.hosts.seen], ratios) == (
            ["/book", "/book", "/old", "/old"], {"default": 1.0, "slow": 1.0},
        )  # fmt: skip
        await desk.clock.advance(60)
        await asyncio.gather(*tasks)
        assert desk.hosts.times == [0, 0, 0, 0, 60, 60]
        await desk.clock.advance(60)
        assert desk.metrics.total("limiter_used_ratio") == 0

    asyncio.run(main())


def test_a_limit_nobody_declared_is_an_error_that_says_so() -> None:
    async def main() -> None:
        assert str(await Desk().error(Request("GET", "/old", limit="histroical"))) == (
            "a request names limit 'histroical', and acme declares default, websocket, slow → "
            "declare it in ExchangeInfo.limits, or correct Request.limit"
        )

    asyncio.run(main())


def test_a_request_heavier_than_its_budget_is_an_error_that_names_it() -> None:
    async def main() -> None:
        error = await Desk().error(Request("GET", "/old", limit="slow", weight=3))
        assert isinstance(error, PluginContractError)
        assert error.message == "GET /old weighs 3, and the whole budget is 2 per 60 s"

    asyncio.run(main())


def test_a_refusal_makes_all_requests_of_that_limit_wait_and_a_ban_all_requests(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(error: RateLimitedError) -> list[str]:
        desk = Desk()
        desk.hosts.answers[TWO[0]] = error
        await desk.error()
        desk.hosts.answers.clear()
        before = len(desk.hosts.seen)
        asking = [asyncio.create_task(desk.requests.fetch(Request("GET", "/old", limit="slow")))]
        asking += [asyncio.create_task(desk.requests.fetch(BOOK)) for _ in range(2)]
        await desk.clock.advance(11.9)
        sent = [request.path for request in desk.hosts.seen[before:]]
        await desk.clock.advance(0.2)
        await asyncio.gather(*asking)
        return sent

    assert asyncio.run(main(RateLimitedError("429", retry_after=12))) == ["/old"]
    assert asyncio.run(main(RateLimitedError("418", retry_after=12, is_ban=True))) == []
    assert caplog.messages[0] == "acme: 429, waits 12.0 s as told (Retry-After)"


def test_a_wait_that_an_earlier_refusal_asked_for_is_not_called_told_by_a_later_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = Limits(ManualClock()).of(INFO, Network(TWO, {}))
    limits.refused("default", RateLimitedError("429", retry_after=12))
    limits.refused("default", RateLimitedError("429 again", retry_after=1))
    assert caplog.messages == ["acme: 429, waits 12.0 s as told (Retry-After)", "acme: 429 again, waits 12.0 s"]


def test_a_rate_limit_told_inside_status_200_closes_the_gate_too() -> None:
    def busy() -> Fetch[None]:
        yield Request("GET", "/old", limit="slow")
        raise RateLimitedError("code 1003", retry_after=20)

    async def main() -> None:
        desk = Desk()
        with pytest.raises(RateLimitedError):
            await desk.requests.converse(busy())
        assert desk.requests.limits.limiter("slow").refuse(0) == 20
        assert desk.requests.limits.limiter("default").refuse(0) == 0

    asyncio.run(main())


def test_retry_after_of_the_only_host_that_is_down_is_obeyed() -> None:
    async def main() -> None:
        desk = Desk(network=Network(TWO[:1], {}))
        desk.hosts.answers[TWO[0]] = ExchangeUnavailableError("503", status=503, retry_after=20)
        await desk.error()
        asking = asyncio.create_task(desk.error())
        await desk.clock.advance(25)
        await asking
        assert desk.hosts.times == [0, 20]

    asyncio.run(main())


# who shares


def shares(first: Network, second: Network) -> bool:
    limits = Limits(ManualClock())
    return limits.of(INFO, first) is limits.of(INFO, second)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (Network(TWO, {}), True),
        (Network(TWO[1:], {}), True),
        (Network(("https://API.acme.example/v2",), {}), True),
        (Network(("http://127.0.0.1:8080",), {}), False),
        (Network(TWO, {}, proxy_rest="socks5://10.0.0.7:1080"), False),
    ],
)
def test_feeds_share_limits_where_a_host_and_the_way_out_are_the_same(second: Network, expected: bool) -> None:
    assert shares(Network(TWO, {}), second) is expected


def test_other_exchanges_have_limits_of_their_own() -> None:
    limits = Limits(ManualClock())
    assert limits.of(INFO, Network(TWO, {})) is not limits.of(attrs.evolve(INFO, id="zenith"), Network(TWO, {}))


def test_two_feeds_spend_one_budget() -> None:
    async def main() -> None:
        first = Desk()
        second = Desk(limits=first.limits, clock=first.clock)
        tasks = [asyncio.create_task(desk.requests.fetch(BOOK)) for desk in (first, second) for _ in range(8)]
        await first.clock.advance(59)
        assert (len(first.hosts.seen), len(second.hosts.seen)) == (8, 2)
        await first.clock.advance(60)
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_feeds_of_one_process_share_limits_and_those_of_a_tests_clock_do_not() -> None:
    assert shared_limits(SystemClock()) is shared_limits(SystemClock())
    clock = ManualClock()
    assert shared_limits(clock) is not shared_limits(clock)


# a whole feed


def deltas(symbols: list[str], number: int) -> list[dict[str, Any]]:
    return [{"k": "delta", "s": f"{symbol}_USD", "n": number} for symbol in symbols]


def test_gaps_in_many_books_at_once_stay_within_the_budget(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(limits={"default": RateLimit(2, 60)})
        symbols = ["SOL", "BTC", "ETH"]
        async with toy.feed([f"{symbol}-USD" for symbol in symbols], ["l2_book"]) as feed:
            await toy.settle(200)
            assert all(book.is_synced for book in feed.books.values())
            before = len(toy.requests)
            toy.last.give(*deltas(symbols, 500))
            toy.sequence = 500
            await toy.settle(59)
            assert len(toy.requests) - before == 2
            await toy.settle(60)
            assert len(toy.requests) - before <= 4  # the watchdog, who asks about the quiet ones, has no other budget
            assert all(book.is_synced for book in feed.books.values())

    asyncio.run(main())


def test_dials_go_through_a_limit_of_their_own_and_a_429_holds_back_the_other_connections(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        toy.declare(public={"max_streams": 1})
        toy.refusals.append(RateLimitedError("GET wss://toy.example/ws: 429", retry_after=30))
        async with toy.feed(["SOL-USD", "BTC-USD", "ETH-USD"], ["trades"]):
            await toy.settle(29)
            assert len(toy.dials) == 1
            await toy.settle(2)
            assert len(toy.dials) == 4

    asyncio.run(main())
    told = [message for message in caplog.messages if "as told" in message]
    assert told == ["toy: GET wss://toy.example/ws: 429, waits 30.0 s as told (Retry-After)"]


def test_a_socket_that_cannot_be_reached_is_looked_for_at_the_alternative(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        toy.refusals.append(ConnectionLostError("cannot reach wss://ws.example (name not resolved)"))
        async with toy.feed(websocket=["wss://ws.example", "wss://ws1.example/v1"]):
            await toy.settle(1)
            assert toy.last.url == "wss://ws1.example/v1"

    asyncio.run(main())
    [told] = caplog.messages
    assert told.startswith("toy: cannot reach wss://ws.example (name not resolved), attempt 1, next in 0.")
    assert told.endswith(" s, trying ws1.example")


def test_a_connection_that_ends_before_any_data_leaves_the_host_and_one_that_gave_data_does_not(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(websocket=["wss://ws.example", "wss://ws1.example"]):
            await toy.settle()
            toy.last.give({"k": "trade", "s": "SOL_USD", "n": 1})
            toy.last.end(1000, "bye")
            await toy.settle(1)
            assert toy.last.url == "wss://ws.example"
            toy.last.end(1000, "bye")
            await toy.settle(2)
            assert toy.last.url == "wss://ws1.example"

    asyncio.run(main())
