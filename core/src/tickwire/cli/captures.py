"""Reads what ``tickwire check`` is given: frames files, and the raw captures of cryptofeed.

A frames file begins with a header line (``tickwire.testing.frames``). A capture has ``URL -> TIME: BODY`` for each
answer over HTTP, ``URL <-> TIME`` where a socket was opened, ``URL <- TIME: FRAME`` for what was sent to it, and
``TIME: FRAME`` for what came; times are seconds. Beside them stand blank lines and ``configuration: {…}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import attrs

from tickwire.model.clock import Nanos
from tickwire.model.errors import ConfigError, RequestRejectedError
from tickwire.plugin.protocols import Request, Response
from tickwire.testing.frames import RECEIVED, Header, answers_in, frames_in, read_frames

__all__ = ["Frames", "paths_of", "read_any"]

_HTTP = re.compile(rb"(https?://\S+) -> (\d+(?:\.\d+)?): (.*)", re.DOTALL)
_OPENED = re.compile(rb"(wss?://\S+) <-> (\d+(?:\.\d+)?)")
_SENT = re.compile(rb"(wss?://\S+) <- (\d+(?:\.\d+)?): (.*)", re.DOTALL)
_CAME = re.compile(rb"(\d{9,}(?:\.\d+)?): (.*)", re.DOTALL)
_ASIDE = re.compile(rb"\s*$|configuration: ")

Answerer: TypeAlias = Callable[[Request], Response]


@attrs.frozen
class Frames:
    """Raw frames of one file.

    Attributes:
        path: The file.
        header: Where they come from, and when.
        frames: When each arrived, and what it was. In a frames file nobody knows when; they all have one time.
        answer: Answers what was asked over REST then.
        has_answers: There is anything to answer with.
        is_timed: The times are true.
        strange: How many lines of a capture have no known form; they are left out.
    """

    path: Path
    header: Header
    frames: Sequence[tuple[Nanos, bytes]]
    answer: Answerer
    has_answers: bool
    is_timed: bool = False
    strange: int = 0

    @property
    def events_path(self) -> Path:
        """Where what comes of them is written down."""
        return self.path.with_name(f"{self.path.name.removesuffix('.jsonl')}.events.jsonl")


def paths_of(path: Path) -> list[Path]:
    """Give a file itself, or the frames files of a folder.

    Raises:
        ConfigError: There is none.
    """
    if path.is_file():
        return [path]
    found = frames_in(path) if path.is_dir() else []
    if not found:
        raise ConfigError(f"{str(path)!r} has no frames", hint="name a file of frames, or a folder of *.jsonl files")
    return found


def read_any(path: Path) -> Frames:
    """Read a file in either form.

    Raises:
        ConfigError: It has neither; the message says what to write.
    """
    with path.open("rb") as file:
        first = file.readline()
    if _OPENED.match(first) or _HTTP.match(first) or _CAME.match(first):
        return _capture(path)
    try:
        file_of = read_frames(path)
        answers = answers_in(path.parent)
    except ValueError as error:
        raise ConfigError(str(error), hint="see 'Frames' in tickwire's docs/conformance.md") from error
    frames = [(RECEIVED, frame) for frame in file_of.frames]
    return Frames(path, file_of.header, frames, answers, len(answers) > 0)


def _capture(path: Path) -> Frames:
    frames: list[tuple[Nanos, bytes]] = []
    source, strange, bodies = path.name, 0, dict[str, bytes]()
    for line in path.read_bytes().splitlines():
        if opened := _OPENED.match(line):
            source = opened[1].decode()
        elif came := _CAME.match(line):
            frames.append((_nanos(came[1]), came[2]))
        elif not (_HTTP.match(line) or _SENT.match(line) or _ASIDE.match(line)):
            strange += 1
    # the instruments stand in the files beside it: NAME.0, NAME.http.0.0, NAME.ws.1.0 are one capture
    for beside in sorted(path.parent.glob(f"{path.name.partition('.')[0]}.*")):
        lines = () if beside.name.endswith(".jsonl") else beside.read_bytes().splitlines()
        bodies |= {urlsplit(found[1].decode()).path: found[3] for line in lines if (found := _HTTP.match(line))}
    day = datetime.fromtimestamp(frames[0][0] // 1_000_000_000, UTC).date().isoformat() if frames else "?"
    return Frames(path, Header(source, day, "recorded"), frames, _answering(bodies), bool(bodies), True, strange)


def _nanos(seconds: bytes) -> Nanos:
    return int(Decimal(seconds.decode()) * 10**9)


def _answering(bodies: Mapping[str, bytes]) -> Answerer:
    def answer(request: Request) -> Response:
        body = bodies.get(request.path.partition("?")[0])
        if body is None:
            raise RequestRejectedError(
                f"the capture has no answer to {request.path}", status=404, hint="record it as well"
            )
        return Response(200, {"content-type": "application/json"}, body, RECEIVED)

    return answer
