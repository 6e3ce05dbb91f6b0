"""Where quality events are read back from: a ledger, or whatever a run has stored."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tickwire.model.channels import Channel
from tickwire.model.errors import ConfigError, DecodeError
from tickwire.model.quality import (
    Backfilled,
    Dropped,
    Gap,
    QualityEvent,
    Resynced,
    Subscribed,
    Unsubscribed,
    Watermark,
)
from tickwire.model.stored import Record, decode_event
from tickwire.run.ledger_file import LEDGER, LedgerFile
from tickwire.store.layout import JOURNAL, PARQUET
from tickwire.store.reading import Wanted, read_tables
from tickwire.store.rows import records_of

__all__ = ["ledger_of", "quality_events"]

_TYPES: Mapping[str, type[QualityEvent]] = {
    str(type_.__struct_config__.tag): type_
    for type_ in (Backfilled, Dropped, Gap, Resynced, Subscribed, Unsubscribed, Watermark)
}
_BEGIN = b'{"type":"'
_TABLES = (PARQUET, JOURNAL)
_QUALITY_ROWS = Wanted(channels=frozenset({Channel.QUALITY}))
_QUALITY = frozenset(b'%s%s"' % (_BEGIN, name.encode()) for name in _TYPES)


class _Head(msgspec.Struct):
    run_id: str
    ordinal: int


_head = msgspec.json.Decoder(_Head)


def ledger_of(path: Path) -> Path | None:
    """Give the ledger that a path names, itself or as a state directory; ``None``: it names none."""
    found = path / LEDGER if path.is_dir() else path
    return found if found.is_file() and _is_sqlite(found) else None


def quality_events(path: Path, name: str | None = None) -> Iterator[Record]:
    """Read what tells of coverage, run after run, each in the order of its ordinals.

    Args:
        path: A ledger or the state directory it is in; or stored events: a file of JSON Lines (``.jsonl``, or
            ``.jsonl.zst``) or Parquet, or a directory with such files anywhere in it; also what is being written.
        name: Of a ledger only the runs of the configuration of this name.

    Raises:
        ConfigError: There is nothing of that kind, or what reads it is not installed.
        DecodeError: A file is not what it seems.
    """
    ledger = ledger_of(path)
    if ledger is not None:
        yield from LedgerFile(ledger).read(name)
        return
    lines, has_tables = _files(path)
    found = [record for file in lines for record in _reader(file)(file)]
    if has_tables:
        found += _table_rows(path)
    yield from sorted(found, key=lambda record: (record.run_id, record.ordinal))


# the files of JSON Lines, which are read without pyarrow, and whether there are tables
def _files(path: Path) -> tuple[list[Path], bool]:
    if not path.exists():
        raise ConfigError(f"there is no {str(path)!r}", hint="name a state directory, a ledger, or stored events")
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    lines = [one for one in files if one.name.endswith(tuple(_READERS)) and one.is_file()]
    has_tables = any(one.suffix in _TABLES and "channel=quality" in one.parts for one in files)
    if not (lines or has_tables):
        found = "is neither a ledger nor stored events" if path.is_file() else f"holds no {LEDGER} and no stored events"
        raise ConfigError(
            f"{str(path)!r} {found}",
            hint="name the state directory of a run, or where its jsonl or parquet sink writes",
        )
    return lines, has_tables


def _reader(path: Path) -> Callable[[Path], Iterator[Record]]:
    return next(read for ending, read in _READERS.items() if path.name.endswith(ending))


# also what a run is writing just now, or was when it was killed
def _table_rows(path: Path) -> Iterator[Record]:
    for (channel, numbers), tables in read_tables(path, _QUALITY_ROWS, with_lines=False).items():
        for table in tables:
            yield from records_of(table, channel, numbers)


def _json_lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        yield from _records(path, file)


def _packed_lines(path: Path) -> Iterator[Record]:
    try:
        import zstandard
    except ImportError as error:
        raise ConfigError(f"reading {path.name} needs zstandard", hint="pip install zstandard") from error
    with path.open("rb") as file:
        unpacked: Any = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        try:
            yield from _records(path, io.BufferedReader(unpacked, 1 << 20))
        except zstandard.ZstdError as error:
            raise DecodeError(f"{path}: {error}") from error


def _records(path: Path, lines: Iterable[bytes]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        # a line that a crash left torn says nothing
        if line[: line.find(b'"', len(_BEGIN)) + 1] in _QUALITY and line.endswith(b"}\n"):
            try:
                head = _head.decode(line)
                yield Record(decode_event(line), head.run_id, head.ordinal, f"{head.run_id}/{head.ordinal}")
            except (DecodeError, msgspec.DecodeError) as error:
                raise DecodeError(f"{path}:{number}: {error}") from error


_READERS: Mapping[str, Callable[[Path], Iterator[Record]]] = {
    ".jsonl": _json_lines,
    ".jsonl.zst": _packed_lines,
}


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"
