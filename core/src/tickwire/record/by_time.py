"""What a replay goes by where it cannot follow turn by turn: each request and dial is matched by what it is about.

That is so for captures that other software wrote, for feeds that did not live by the recorder's clock, and from the
point on where tickwire's own code has changed since the recording.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

import attrs

from tickwire.plugin.protocols import Ending, Frame
from tickwire.record.operations import Operation
from tickwire.record.replay_transport import ReplayLine
from tickwire.record.taped import RequestKey

__all__ = ["ANYWHERE", "Answers", "RecordedLine", "Lines"]

ANYWHERE = "*"
"""The place of a recorded connection that stands for any: other software chose other URLs."""

Finish = Callable[[Operation], None]
FeedKey = tuple[str, RequestKey]


class Answers:
    """Recorded answers that nobody asked for yet, and requests that have none yet."""

    def __init__(self, about: Callable[[RequestKey], RequestKey] = lambda key: key) -> None:
        """Begin without either; ``about`` gives what of a request matters."""
        self._about = about
        self._asked: dict[FeedKey, deque[Operation]] = defaultdict(deque)
        self._spare: dict[FeedKey, Finish] = {}

    def asked(self, feed: str, operation: Operation) -> None:
        """Give a request its answer: the newest one that was recorded until now, else the next that comes."""
        key = (feed, self._about(operation.key))
        spare = self._spare.get(key)
        if spare is not None:
            # it stays: who asks more often than the recording did hears what was true then
            spare(operation)
        else:
            self._asked[key].append(operation)

    def came(self, feed: str, key: RequestKey, finish: Finish) -> None:
        """Give an answer to who waits for it, else keep it."""
        key = self._about(key)
        waiting = self._asked[(feed, key)]
        while waiting:
            operation = waiting.popleft()
            if not operation.done.done():
                finish(operation)
                return
        self._spare[(feed, key)] = finish


@attrs.define(eq=False)
class RecordedLine:
    """A recorded connection.

    Attributes:
        number: Its name in the capture.
        feed: The feed's name.
        place: Where it led, without the query.
        line: The replay's connection that stands for it; ``None``: nobody dialled yet.
        opens: Tells the dialler that it is open; ``None``: it is not yet, or was told.
        waiting: What came over it before anybody dialled.
    """

    number: int
    feed: str
    place: str
    line: ReplayLine | None = None
    opens: Callable[[ReplayLine], None] | None = None
    waiting: deque[Frame[Any] | Ending] = attrs.field(factory=deque)

    def leads_to(self, url: str) -> bool:
        """Tell whether it is what somebody who dials ``url`` wants."""
        return self.place in (ANYWHERE, url.partition("?")[0])

    def came(self, item: Frame[Any] | Ending) -> None:
        """Hand a frame or the end on, or keep it."""
        if self.line is None:
            self.waiting.append(item)
        elif isinstance(item, Frame):
            if not self.line.has_ended:
                self.line.on_frame(item)
        else:
            self.line.end(item)

    def take(self, line: ReplayLine) -> None:
        """Stand for it from now on."""
        self.line = line
        line.recorded = self.number
        if self.opens is not None:
            opens, self.opens = self.opens, None
            opens(line)
        while self.waiting:
            self.came(self.waiting.popleft())


class Lines:
    """Recorded connections and those of the replay."""

    def __init__(self) -> None:
        """Begin without either."""
        self._recorded: dict[int, RecordedLine] = {}
        self._dialled: list[ReplayLine] = []

    def recorded(self, number: int, feed: str, url: str) -> None:
        """Note that one was being dialled; who dials the same waits for it."""
        line = self._recorded[number] = RecordedLine(number, feed, url.partition("?")[0])
        for dialled in self._dialled:
            if dialled.feed == feed and line.leads_to(dialled.url):
                self._dialled.remove(dialled)
                line.take(dialled)
                return

    def dialled(self, line: ReplayLine) -> None:
        """Give a dialler the oldest recorded connection to the same place that nobody took, else the next one."""
        free = [one for one in self._recorded.values() if one.feed == line.feed and one.line is None]
        for one in free:
            if one.leads_to(line.url):
                one.take(line)
                return
        self._dialled.append(line)

    def find(self, number: int) -> RecordedLine | None:
        """Give a recorded connection."""
        return self._recorded.get(number)

    def forget(self, number: int) -> None:
        """A recorded connection has ended, and whoever took it knows."""
        found = self._recorded.get(number)
        if found is not None and found.line is not None:
            del self._recorded[number]

    def drop(self, number: int) -> None:
        """A recorded dial failed, and nobody tried at that time: nobody will hear of it."""
        self._recorded.pop(number, None)
