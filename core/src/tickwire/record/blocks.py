"""Blocks of a capture file: each stands for itself, so that a crash at any byte costs the last block and nothing else.

A block is a skippable Zstandard frame of 8 bytes (length and CRC-32 of what follows, little-endian) and a Zstandard
frame. Any Zstandard tool decompresses the file; we also know which block is whole.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import attrs
import zstandard

from tickwire.model.errors import ConfigError

__all__ = ["Torn", "make_block", "read_blocks"]

_HEAD = struct.Struct("<IIII")  # magic number, size of the skippable frame, length and CRC of the block
_MAGIC = 0x184D2A57
_LEVEL = 3
_MOST = 1 << 30


@attrs.frozen
class Torn:
    """The end of a file that was being written when its process died.

    Attributes:
        path: The file.
        offset: Where the last whole block ends.
        size: Of the file; ``size - offset`` bytes are cut off.
    """

    path: Path
    offset: int
    size: int

    def __str__(self) -> str:
        return f"{self.path.name}: torn at byte {self.offset:,}, {self.size - self.offset:,} bytes cut off"


def make_block(data: bytes, level: int = _LEVEL) -> bytes:
    """Compress ``data`` into one block."""
    packed = zstandard.ZstdCompressor(level=level).compress(data)
    return _HEAD.pack(_MAGIC, 8, len(packed), zlib.crc32(packed)) + packed


def read_blocks(path: Path, torn: list[Torn]) -> Iterator[bytes]:
    """Give the content of every whole block.

    Args:
        path: The file.
        torn: Is told where it ends early.

    Raises:
        ConfigError: It is no capture, or cannot be read.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            offset = 0
            while (block := _block(file)) is not None:
                data, length = block
                offset += length
                yield data
    except OSError as error:
        raise ConfigError(f"cannot read {str(path)!r}: {error.strerror}", hint="name a capture's folder") from error
    if offset < size:
        if not offset and not _begins_like_one(path):
            raise ConfigError(f"{str(path)!r} is no capture", hint="name a folder that tickwire record wrote")
        torn.append(Torn(path, offset, size))


def _block(file: BinaryIO) -> tuple[bytes, int] | None:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    magic, skipped, length, crc = _HEAD.unpack(head)
    if magic != _MAGIC or skipped != 8 or length > _MOST:
        return None
    packed = file.read(length)
    if len(packed) < length or zlib.crc32(packed) != crc:
        return None
    return zstandard.ZstdDecompressor().decompress(packed), _HEAD.size + length


def _begins_like_one(path: Path) -> bool:
    with path.open("rb") as file:
        begin = file.read(4)
    return _MAGIC.to_bytes(4, "little").startswith(begin)
