"""Asks for streams and leaves them: in order, in batches, and no faster than the exchange takes frames."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from tickwire.feed.listener import Listener
from tickwire.feed.wires import Wires
from tickwire.model.channels import Subscription
from tickwire.model.clock import Clock
from tickwire.plugin.info import Endpoint
from tickwire.plugin.protocols import Router, Send

__all__ = ["Asking"]


class Asking:
    """What one connection still has to ask for and to leave."""

    def __init__(
        self,
        name: str,
        declared: Endpoint,
        wires: Wires,
        clock: Clock,
        listener: Listener,
        put: Callable[[Send[Any]], None],
    ) -> None:
        """Begin with nothing.

        Args:
            name: The connection's, which the listener is told.
            declared: How many streams a frame may name, and how many frames a second are taken.
            wires: The streams of the connection.
            clock: Tells the time, and waits.
            listener: Is told what is asked for.
            put: Sends a frame.
        """
        self._name = name
        self._declared = declared
        self._wires = wires
        self._clock = clock
        self._listener = listener
        self._put = put
        self._todo: deque[tuple[bool, Subscription]] = deque()
        self._again: deque[Send[Any]] = deque()
        self._has_todo = asyncio.Event()
        self._sent_at: float | None = None

    def opened(self, wanted: Iterable[Subscription]) -> None:
        """Begin anew: the connection is new, and nothing was asked for on it."""
        self._todo = deque((True, subscription) for subscription in wanted)
        self._again.clear()
        self._has_todo.set()

    def add(self, subscription: Subscription) -> None:
        """Ask for it, after what waits already."""
        self._todo.append((True, subscription))
        self._has_todo.set()

    def leave(self, subscription: Subscription) -> None:
        """Leave it, after what waits already."""
        self._todo.append((False, subscription))
        self._has_todo.set()

    def repeat(self, send: Send[Any]) -> None:
        """Send what a router asks for anew, maybe for many at once, before what waits already."""
        self._again.append(send)
        self._has_todo.set()

    @property
    def leaving(self) -> set[Subscription]:
        """What is still to be left, and maybe asked for anew: no answer to an earlier request is about that."""
        return {subscription for is_added, subscription in self._todo if not is_added}

    async def run(self, router: Router[Any]) -> None:
        """Work off what waits and what comes, in the exchange's words, until cancelled."""
        while True:
            await self._has_todo.wait()
            if not (self._todo or self._again):
                self._has_todo.clear()
                continue
            await self._turn()  # before anything is taken off: what waits its turn is still to be done
            if self._again:
                self._put_in_turn(self._again.popleft())
                continue
            for number, send in enumerate(self._next_frames(router)):
                if number:
                    await self._turn()
                self._put_in_turn(send)

    def _next_frames(self, router: Router[Any]) -> Iterable[Send[Any]]:
        is_added, batch = self._next_batch()
        if is_added:
            self._listener.asked(self._name, batch)
            self._listener.confirmed(self._wires.already_confirmed(batch))
        batch = self._wires.to_ask(batch) if is_added else self._wires.to_leave(batch)
        if not batch:
            return ()
        return router.subscribe(batch) if is_added else router.unsubscribe(batch)

    def _next_batch(self) -> tuple[bool, list[Subscription]]:
        todo, batch = self._todo, list[Subscription]()
        is_added = todo[0][0]
        while todo and todo[0][0] is is_added and len(batch) < self._declared.batch:
            batch.append(todo.popleft()[1])
        return is_added, batch

    async def _turn(self) -> None:
        if self._declared.frames_per_second is not None and self._sent_at is not None:
            await self._clock.sleep(self._sent_at + 1 / self._declared.frames_per_second - self._clock.monotonic())

    def _put_in_turn(self, send: Send[Any]) -> None:
        self._sent_at = self._clock.monotonic()
        self._put(send)
