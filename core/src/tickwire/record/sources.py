"""Where quality events are read back from: a ledger, or whatever a run has stored."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

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

__all__ = ["ledger_of", "quality_events"]

_TYPES: Mapping[str, type[QualityEvent]] = {
    str(type_.__struct_config__.tag): type_
    for type_ in (Backfilled, Dropped, Gap, Resynced, Subscribed, Unsubscribed, Watermark)
}
_BEGIN = b'{"type":"'
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
            ``.jsonl.zst``) or Parquet, or a directory with such files anywhere in it.
        name: Of a ledger only the runs of the configuration of this name.

    Raises:
        ConfigError: There is nothing of that kind, or what reads it is not installed.
        DecodeError: A file is not what it seems.
    """
    ledger = ledger_of(path)
    if ledger is not None:
        yield from LedgerFile(ledger).read(name)
        return
    found = [record for file in _files(path) for record in _reader(file)(file)]
    yield from sorted(found, key=lambda record: (record.run_id, record.ordinal))


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise ConfigError(f"there is no {str(path)!r}", hint="name a state directory, a ledger, or stored events")
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if _is_stored(one))
    if not files:
        raise ConfigError(
            f"{str(path)!r} holds no {LEDGER} and no stored events",
            hint="name the state directory of a run, or where its jsonl or parquet sink writes",
        )
    return files


def _is_stored(path: Path) -> bool:
    if path.suffix == ".parquet":
        return "channel=quality" in path.parts
    return path.name.endswith(tuple(_READERS)) and path.is_file()


def _reader(path: Path) -> Callable[[Path], Iterator[Record]]:
    read = next((read for ending, read in _READERS.items() if path.name.endswith(ending)), None)
    if read is None:
        raise ConfigError(
            f"{str(path)!r} is neither a ledger nor stored events", hint=f"its name ends in {', '.join(_READERS)}"
        )
    return read


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


# Parquet has a column for each field of each kind of event: a row's own are those of its type
def _parquet(path: Path) -> Iterator[Record]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError(f"reading {path.name} needs pyarrow", hint="pip install 'tickwire[parquet]'") from error
    table = parquet.ParquetFile(path).read()
    for number, column in enumerate(table.schema):
        if pyarrow.types.is_timestamp(column.type):
            whole = table.column(number).cast(pyarrow.timestamp("ns", column.type.tz)).cast(pyarrow.int64())
            table = table.set_column(number, column.name, whole)
    around = dict(part.split("=", 1) for part in path.parts if "=" in part)
    for row in table.to_pylist():
        type_ = _TYPES.get(row["type"])
        if type_ is not None:
            # the partition is called channel: the event's own is of_channel
            fields = {"exchange": around.get("exchange"), "symbol": around.get("symbol"), **row}
            fields["channel"] = row.get("of_channel", row.get("channel"))
            event = _event(type_, fields, path)
            yield Record(event, row["run_id"], row["ordinal"], f"{row['run_id']}/{row['ordinal']}")


def _event(type_: type[QualityEvent], row: Mapping[str, Any], path: Path) -> QualityEvent:
    known = msgspec.structs.fields(type_)
    values = {one.name: row.get(one.name) for one in known}
    kept = {one.name: values[one.name] for one in known if one.required or values[one.name] is not None}
    try:
        return msgspec.convert({"type": row["type"], **kept}, type_)
    except msgspec.ValidationError as error:
        raise DecodeError(f"{path}: {error}") from error


_READERS: Mapping[str, Callable[[Path], Iterator[Record]]] = {
    ".jsonl": _json_lines,
    ".jsonl.zst": _packed_lines,
    ".parquet": _parquet,
}


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"
