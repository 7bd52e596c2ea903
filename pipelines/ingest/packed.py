"""Gzipped files: their bytes piece by piece, and what a file must not be.

Belongs here: unpacking with bounds in memory, time and size, and how far a file may grow when it is unpacked.
Must not be here: what the bytes mean (see ``readers``).
"""

import zlib
from collections.abc import Generator, Iterator
from typing import BinaryIO

LARGEST_RATIO = 200
"""A file may unpack to so many times its size …"""

ALWAYS_ALLOWED = 256 * 2**20
"""… or to so many bytes: real logs shrink to a fifth or a twentieth, and small ones with few values to less."""

_MOST_MEMBERS = 1_000_000
_PIECE = 1 << 20
_READ_AT_ONCE = 1 << 15  # small: what is left of it is copied for each member
_GZIP = 31  # zlib's window bits for a gzip header and checksum
_MAGIC = b"\x1f\x8b"


class PackedError(OSError):
    """A packed file that is not read on: why, in a few words."""


def grows_too_much(packed: int, unpacked: int) -> bool:
    """Whether a file of so many bytes unpacks to suspiciously many."""
    return unpacked > ALWAYS_ALLOWED and unpacked > LARGEST_RATIO * packed


def unpacked(file: BinaryIO, size: int, limit: int) -> Iterator[bytes]:
    """The bytes of a gzipped file of one or several members, in pieces of at most 1 MiB; checksums are verified.

    Parameters
    ----------
    file : binary file
        Open at its beginning.
    size : int
        Its length in bytes.
    limit : int
        Most bytes that it may unpack to.

    Raises
    ------
    PackedError
        If it is no gzip file, ends in the middle, holds something behind its end, or unpacks to too much.
    """
    total = 0
    for piece in _pieces(file):
        total += len(piece)
        if total > limit:
            raise PackedError(f"unpacks to more than {limit / 1e9:g} GB")
        if grows_too_much(size, total):
            raise PackedError(f"unpacks to more than {LARGEST_RATIO} times its size")
        yield piece


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    data = file.read(_READ_AT_ONCE)
    problem = "is no gzip file"
    for _ in range(_MOST_MEMBERS):
        if not data or data[:2] != _MAGIC[: len(data)]:
            raise PackedError(problem)
        data = (yield from _member(file, data)) or file.read(_READ_AT_ONCE)
        if not data:
            return
        problem = "something stands behind its end"
    raise PackedError(f"is made of more than {_MOST_MEMBERS:,} pieces")


def _member(file: BinaryIO, data: bytes) -> Generator[bytes, None, bytes]:
    """The bytes of one member; returns what was read behind it."""
    member = zlib.decompressobj(_GZIP)
    while not member.eof:
        try:
            piece = member.decompress(data, _PIECE)
        except zlib.error as error:
            raise PackedError(f"is damaged: {str(error).partition(': ')[2] or 'no valid data'}") from error
        if piece:
            yield piece
        data = member.unconsumed_tail or (b"" if member.eof else file.read(_READ_AT_ONCE))
        if not (data or piece or member.eof):
            raise PackedError("ends in the middle")
    return member.unused_data
