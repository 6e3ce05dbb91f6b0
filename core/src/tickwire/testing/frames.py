"""Recorded frames and answers, and what a router made of them.

``frames/trades.jsonl``: a header line ``{"source": …, "date": "2026-11-21", "kind": "recorded" | "documented"}``, then
one raw frame a line; with ``"binary": true`` in the header each line is base64. The name up to the first dot is the
channel; files of any other name hold what belongs to none (answers, errors, pongs). Beside it stands
``trades.events.jsonl``, a JSON list of events and controls for each frame, written by ``pytest --write-events`` and
reviewed like code. ``frames/rest/markets.json``: ``{"request": "GET /v1/markets", "source", "date", "kind", "body"}``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec

from tickwire import AccountEvent, Channel, MarketEvent, QualityEvent, RequestRejectedError, encode_event
from tickwire.plugin import Control, Request, Response

__all__ = [
    "KINDS", "RECEIVED", "FramesFile", "Header", "RestAnswer", "answers_in", "events_lines", "frames_in",
    "read_frames",
]  # fmt: skip

KINDS = ("recorded", "documented")
RECEIVED = 1_767_225_600_000_000_000
"""``ts_recv`` of every frame in a file: the year 2026's first nanosecond."""

_SUFFIX = ".jsonl"
_EVENTS = ".events.jsonl"


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """First line of a frames file: where its frames come from and when; ``binary``: each line is base64."""

    source: str
    date: str
    kind: str
    binary: bool = False


@attrs.frozen
class FramesFile:
    """One file of raw frames.

    Attributes:
        path: Where it is.
        header: Where the frames come from.
        frames: The raw frames.
    """

    path: Path
    header: Header
    frames: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """The file's name without ``.jsonl``."""
        return self.path.name.removesuffix(_SUFFIX)

    @property
    def channel(self) -> Channel | None:
        """What its frames carry; ``None``: they belong to no channel."""
        word = self.name.partition(".")[0]
        return Channel(word) if word in list(Channel) else None

    @property
    def events_path(self) -> Path:
        """Where what comes of it is written down."""
        return self.path.with_name(f"{self.name}{_EVENTS}")


def frames_in(folder: Path) -> list[Path]:
    """Give the paths of a folder's frames files, by name."""
    return sorted(path for path in folder.glob(f"*{_SUFFIX}") if not path.name.endswith(_EVENTS))


def read_frames(path: Path) -> FramesFile:
    """Read a frames file.

    Raises:
        ValueError: It has no header, or one that lacks something; the message says what to write.
    """
    lines = path.read_bytes().splitlines()
    try:
        header = msgspec.json.decode(lines[0] if lines else b"", type=Header)
    except msgspec.DecodeError as error:
        raise ValueError(
            f'{path.name}: the first line must be {{"source": …, "date": …, "kind": "recorded"}}: {error}'
        ) from None
    if header.kind not in KINDS or not header.source or not header.date:
        raise ValueError(f"{path.name}: source and date are texts, kind is one of {', '.join(KINDS)}: {header}")
    raw = [base64.b64decode(line, validate=True) for line in lines[1:]] if header.binary else lines[1:]
    return FramesFile(path, header, tuple(raw))


def events_lines(results: Iterable[Sequence[object]]) -> bytes:
    """Write down what came of each frame: a line for each, a JSON list of events and controls."""
    return b"".join(b"[%s]\n" % b", ".join(map(_written, result)) for result in results)


def _written(item: object) -> bytes:
    if isinstance(item, MarketEvent | AccountEvent | QualityEvent):
        return encode_event(item)
    assert isinstance(item, Control), f"a router gave a {type(item).__name__}, which is neither event nor control"
    fields = {name: _plain(getattr(item, name)) for name in item.__struct_fields__}
    return msgspec.json.encode({"control": type(item).__name__, **fields})


def _plain(value: Any) -> object:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value if isinstance(value, int | float | str | None) else str(value)


class RestAnswer(msgspec.Struct):
    """A recorded answer: ``request`` is method and path, as in ``GET /v1/markets``; ``body`` is its JSON."""

    request: str
    source: str
    date: str
    kind: str
    body: msgspec.Raw

    def response(self) -> Response:
        """Give it as core would."""
        return Response(200, {"content-type": "application/json"}, bytes(self.body), RECEIVED)


class Answers:
    """Recorded answers by method and path; a query is not looked at."""

    def __init__(self, answers: Iterable[RestAnswer]) -> None:
        self._answers = {_bare(one.request): one.response() for one in answers}

    def __len__(self) -> int:
        return len(self._answers)

    def __call__(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            RequestRejectedError: None was recorded.
        """
        found = self._answers.get(_bare(f"{request.method} {request.path}"))
        if found is None:
            raise RequestRejectedError(
                f"frames/rest/ has no answer to {request.method} {request.path}",
                status=404,
                hint="record it in a file there",
            )
        return found


def answers_in(folder: Path) -> Answers:
    """Read the recorded answers of a frames folder.

    Raises:
        ValueError: A file is not what it should be.
    """
    found = []
    for path in sorted((folder / "rest").glob("*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=RestAnswer))
        except msgspec.DecodeError as error:
            raise ValueError(f"rest/{path.name}: {error}") from None
    return Answers(found)


def _bare(request: str) -> str:
    return request.partition("?")[0]
