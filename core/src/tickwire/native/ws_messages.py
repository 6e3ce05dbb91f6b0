"""Messages out of frames: fragments joined, deflate undone within a limit, text checked for UTF-8 (RFC 6455, 7692)."""

from __future__ import annotations

import zlib
from typing import Final

from tickwire.native.ws import MAX_FRAME, Violation

__all__ = ["BINARY", "CONTINUATION", "TEXT", "Messages", "check_text", "inflated_too_far", "read_close"]

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2

_SYNC_TAIL = b"\x00\x00\xff\xff"
_RAW_DEFLATE = -zlib.MAX_WBITS
_ALLOWED = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


def check_text(payload: bytes) -> None:
    """Refuse a text that is not UTF-8.

    Raises:
        Violation: 1007.
    """
    if not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError as error:
            raise Violation(1007, "a text frame is not UTF-8") from error


def inflated_too_far() -> Violation:
    """Say that a message is longer than we take."""
    return Violation(1009, f"a message above {MAX_FRAME:,} bytes")


def read_close(payload: bytes) -> tuple[int, str]:
    """Read the payload of a close frame: its code, 0 where it has none, and its reason.

    Raises:
        Violation: 1002 or 1007.
    """
    if not payload:
        return 0, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not (code in _ALLOWED or 3000 <= code < 5000):
        raise Violation(1002, "a close frame with a code of no meaning")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError as error:
        raise Violation(1007, "the reason of a close frame is not UTF-8") from error


class Messages:
    """The data frames of one connection, joined."""

    def __init__(self, *, inflates: bool) -> None:
        """Take whether permessage-deflate was agreed on."""
        self._inflates = inflates
        self._inflater = zlib.decompressobj(_RAW_DEFLATE) if inflates else None
        self._opcode: int | None = None
        self._is_compressed = False
        self._parts = bytearray()

    def add(self, opcode: int, payload: bytes, *, fin: bool, rsv1: bool) -> bytes | None:
        """Give the message that this frame completes.

        Raises:
            Violation: 1002, 1007 or 1009.
        """
        if opcode == CONTINUATION:
            if self._opcode is None:
                raise Violation(1002, "a continuation of nothing")
            if rsv1:
                raise Violation(1002, "reserved bits are set")
        else:
            if self._opcode is not None:
                raise Violation(1002, "a new message inside of a fragmented one")
            if rsv1 and not self._inflates:
                raise Violation(1002, "reserved bits are set")
            self._opcode, self._is_compressed = opcode, rsv1
        if len(self._parts) + len(payload) > MAX_FRAME:
            raise inflated_too_far()
        if not fin:
            self._parts += payload
            return None
        if self._parts:
            payload = bytes(self._parts) + payload
            self._parts.clear()
        if self._is_compressed:
            payload = self._inflate(payload)
        if self._opcode == TEXT:
            check_text(payload)
        self._opcode = None
        return payload

    def _inflate(self, payload: bytes) -> bytes:
        # a final block ends the stream: the next message then begins a new one
        if self._inflater is None or self._inflater.eof:
            self._inflater = zlib.decompressobj(_RAW_DEFLATE)
        try:
            message = self._inflater.decompress(payload + _SYNC_TAIL, MAX_FRAME + 1)
        except zlib.error as error:
            raise Violation(1007, f"a compressed frame is damaged: {error}") from error
        if len(message) > MAX_FRAME:
            raise inflated_too_far()
        return message
