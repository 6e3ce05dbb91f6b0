"""What a disk refuses, as errors of ours: those that pass by themselves, and those that the user has to see to."""

from __future__ import annotations

import errno
from pathlib import Path

from tickwire.model.errors import ConfigError, RetryableError, TickwireError

__all__ = ["disk_error"]

_LASTING = {
    errno.EACCES, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EPERM, errno.EROFS,
}  # fmt: skip


def disk_error(doing: str, path: Path, error: OSError) -> TickwireError:
    """Translate an error of the system.

    Args:
        doing: ``open``, ``write`` or ``close``.
        path: What was to be written.
        error: What the system said.

    Returns:
        A ``ConfigError`` where ``path`` itself cannot be opened; else a ``RetryableError``, e.g. of a full disk.
    """
    message = f"cannot {doing} {path}: {error.strerror or error}"
    if doing == "open" and error.errno in _LASTING:
        return ConfigError(message, hint="change path, or what stands in its way")
    return RetryableError(message, hint="make room, or change path" if doing == "write" else None)
