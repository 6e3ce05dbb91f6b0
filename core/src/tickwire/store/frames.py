"""zstd frames, one behind the other in a file: where they end is read off their blocks' sizes, nothing is unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["compressed", "frame_spans", "whole_frames", "whole_until"]

_RLE = 1
_RESERVED = 3
_LONGEST_HEADER = 18


def compressed(data: bytes, level: int = 3) -> bytes:
    """Give a frame of its own, with its size and a checksum."""
    import zstandard

    return zstandard.ZstdCompressor(level=level, write_checksum=True).compress(data)


def frame_spans(data: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """Give start and end of each whole frame, up to the first that is not."""
    start = 0
    while (end := _end(data, start)) is not None:
        yield start, end
        start = end


def whole_until(path: Path) -> int:
    """Tell where the last whole frame of a file ends.

    Raises:
        OSError: It cannot be read.
    """
    return max((end for _, end in frame_spans(_mapped(path))), default=0)


def whole_frames(path: Path) -> Iterator[bytes]:
    """Unpack the whole frames of a file, one by one; a torn one at its end is left out.

    Raises:
        OSError: It cannot be read.
        ValueError: A frame is whole and yet not what was packed.
    """
    import zstandard

    data = _mapped(path)
    for start, end in frame_spans(data):
        try:
            yield zstandard.ZstdDecompressor().decompressobj().decompress(data[start:end])
        except zstandard.ZstdError as error:
            raise ValueError(f"{path}: the frame at byte {start} cannot be unpacked: {error}") from error


def _mapped(path: Path) -> Any:
    import mmap

    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""


def _end(data: Any, start: int) -> int | None:
    import zstandard

    head = bytes(data[start : start + _LONGEST_HEADER])
    try:
        place = start + zstandard.frame_header_size(head)
        has_checksum = zstandard.get_frame_parameters(head).has_checksum
    except zstandard.ZstdError:
        return None
    is_last = False
    while not is_last:
        block = int.from_bytes(data[place : place + 3], "little")
        is_last, kind = bool(block & 1), block >> 1 & 3
        if place + 3 > len(data) or kind == _RESERVED:
            return None
        place += 3 + (1 if kind == _RLE else block >> 3)
    end = place + 4 * has_checksum
    return end if end <= len(data) else None
