"""The container of PyTorch's files: a zip archive whose records are stored as they are, at multiples of 64 bytes.

Reading trusts nothing: every size and offset is held against the length of the file before anything is allocated,
records must not overlap (so that all of them together are no larger than the file), and checksums are compared.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

__all__ = ["ArchiveReader", "ArchiveWriter", "is_zip"]

ALIGNMENT = 64
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_UTF8_NAMES = 0x0800
_LARGE = 0xFFFFFFFF  # sizes and offsets from here on are written in the 64-bit fields
_CHUNK = 1 << 24


def is_zip(file: BinaryIO) -> bool:
    """Whether a zip archive begins at the present position of ``file``; the position stays."""
    at = file.tell()
    head = file.read(4)
    file.seek(at)
    return head == b"PK\x03\x04"


def _damaged(what: str) -> RuntimeError:
    return RuntimeError(
        f"cannot read the file as a checkpoint (zip archive): {what}. It was cut short, changed after it was saved, or "
        "is no checkpoint; save or fetch it again"
    )


class _Record(NamedTuple):
    header: int
    size: int
    crc: int


class ArchiveReader:
    """The records of the archive that begins at the present position of a seekable file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._base = file.tell()
        self._length = file.seek(0, 2) - self._base
        self._records: dict[str, _Record] = {}
        first = self._read_directory()
        self._prefix = first.partition("/")[0] + "/"

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._records

    def size(self, name: str) -> int:
        """The size of a record in bytes."""
        return self._find(name).size

    def read(self, name: str) -> bytes:
        """A whole record."""
        content = bytearray(self._find(name).size)
        self.read_into(name, memoryview(content))
        return bytes(content)

    def read_into(self, name: str, target: memoryview) -> None:
        """Fill ``target`` with a record of exactly its size, and compare the checksum."""
        record = self._find(name)
        self._file.seek(self._base + self.data_start(name))
        crc, done = 0, 0
        while done < record.size:
            part = target[done : done + _CHUNK]
            if hasattr(self._file, "readinto"):
                count = self._file.readinto(part) or 0
            else:
                data = self._file.read(len(part))
                count = len(data)
                part[:count] = data
            if count == 0:
                raise _damaged(f"it ends inside record {name!r}")
            crc = zlib.crc32(part[:count], crc)
            done += count
        # PyTorch can be told not to compute checksums and then writes zeros.
        if crc != record.crc and record.crc != 0:
            raise _damaged(
                f"record {name!r} has checksum {crc:08x}, but {record.crc:08x} was noted when it was saved: bits "
                "changed"
            )

    def data_start(self, name: str) -> int:
        """Where a record's bytes begin, counted from the beginning of the archive."""
        record = self._find(name)
        fields = _LOCAL.unpack(self._bytes(record.header, _LOCAL.size))
        if fields[0] != b"PK\x03\x04":
            raise _damaged(f"record {name!r} has no header where the directory says")
        start = record.header + _LOCAL.size + fields[-2] + fields[-1]
        if start + record.size > self._length:
            raise _damaged(f"record {name!r} reaches past the end of the file")
        return start

    def _find(self, name: str) -> _Record:
        record = self._records.get(self._prefix + name)
        if record is None:
            raise _damaged(f"record {name!r} is missing")
        return record

    def _bytes(self, at: int, count: int) -> bytes:
        if at < 0 or at + count > self._length:
            raise _damaged("a part of it lies outside the file")
        self._file.seek(self._base + at)
        data = self._file.read(count)
        if len(data) != count:
            raise _damaged("it is shorter than it says")
        return data

    def _read_directory(self) -> str:
        """Fill the table of records from the central directory; returns the first name."""
        tail_at = max(0, self._length - _END.size - 0xFFFF)
        tail = self._bytes(tail_at, self._length - tail_at)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise _damaged("it has no central directory")
        _, _, _, _, count, size, start, _ = _END.unpack_from(tail, at)
        at += tail_at
        if at >= _LOCATOR.size:
            locator = _LOCATOR.unpack(self._bytes(at - _LOCATOR.size, _LOCATOR.size))
            if locator[0] == b"PK\x06\x07":
                end64 = _END64.unpack(self._bytes(locator[2], _END64.size))
                if end64[0] != b"PK\x06\x06":
                    raise _damaged("its 64-bit directory end is not where it should be")
                count, size, start = end64[7:10]
        directory = self._bytes(start, size)
        extents, position, first = [], 0, None
        for _ in range(count):
            if position + _CENTRAL.size > size:
                raise _damaged("its central directory is cut short")
            (
                magic,
                _,
                _,
                flags,
                method,
                _,
                _,
                crc,
                packed,
                plain,
                name_len,
                extra_len,
                comment_len,
                _,
                _,
                _,
                header,
            ) = _CENTRAL.unpack_from(directory, position)
            if magic != b"PK\x01\x02":
                raise _damaged("its central directory is damaged")
            position += _CENTRAL.size
            name = directory[position : position + name_len].decode("utf-8", "backslashreplace")
            extra = directory[position + name_len : position + name_len + extra_len]
            position += name_len + extra_len + comment_len
            plain, packed, header = _wide_fields(extra, plain, packed, header)
            if flags & 1 or method != 0 or packed != plain:
                raise _damaged(f"record {name!r} is compressed or encrypted, and records must be stored as they are")
            if name in self._records:
                raise _damaged(f"record {name!r} is there twice")
            self._records[name] = _Record(header, plain, crc)
            extents.append((header, header + _LOCAL.size + name_len + plain))
            first = first or name
        if first is None:
            raise _damaged("it holds no records")
        extents.sort()
        for (_, end), (begin, _) in zip(extents, [*extents[1:], (start, start)], strict=True):
            if end > begin:
                raise _damaged("its records overlap or reach past the end of the file")
        return first


def _wide_fields(extra: bytes, plain: int, packed: int, header: int) -> tuple[int, int, int]:
    """Sizes and offset, taken from the 64-bit extra field where the 32-bit ones overflowed."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = [v[0] for v in struct.iter_unpack("<Q", extra[at + 4 : at + 4 + length // 8 * 8])]
            values = [plain, packed, header]
            for i, value in enumerate(values):
                if value == 0xFFFFFFFF and wide:
                    values[i] = wide.pop(0)
            return values[0], values[1], values[2]
        at += 4 + length
    return plain, packed, header


class ArchiveWriter:
    """Writes records one after the other; needs nothing of ``file`` but ``write``."""

    def __init__(self, file: BinaryIO, name: str, alignment: int = ALIGNMENT, checksums: bool = True) -> None:
        self._file = file
        self._name = name
        self._alignment = alignment
        self._checksums = checksums
        self._at = 0
        self._directory: list[tuple[bytes, int, int, int]] = []

    def write_record(self, name: str, content: bytes | memoryview) -> None:
        """Append a record; its bytes begin at a multiple of the alignment."""
        title = f"{self._name}/{name}".encode()
        view = memoryview(content).cast("B") if len(content) else memoryview(b"")
        crc, size = zlib.crc32(view) if self._checksums else 0, view.nbytes
        extra = struct.pack("<HH2Q", 1, 16, size, size) if size >= _LARGE else b""
        fixed = self._at + _LOCAL.size + len(title) + len(extra) + 4
        padding = -fixed % self._alignment
        extra += struct.pack("<2sH", b"FB", padding) + b"Z" * padding
        shown = min(size, 0xFFFFFFFF) if size < _LARGE else 0xFFFFFFFF
        header = _LOCAL.pack(
            b"PK\x03\x04", 45 if size >= _LARGE else 0, _UTF8_NAMES, 0, 0, 0, crc, shown, shown, len(title), len(extra)
        )
        self._directory.append((title, crc, size, self._at))
        self._put(header + title + extra)
        for begin in range(0, size, _CHUNK):
            self._put(view[begin : begin + _CHUNK])

    def close(self) -> None:
        """Write the last records and the directory."""
        self.write_record("version", b"3\n")
        self.write_record(".data/serialization_id", self._fingerprint().encode())
        start = self._at
        for title, crc, size, at in self._directory:
            wide = [v for v in (size, size, at) if v >= _LARGE]
            extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
            short = [0xFFFFFFFF if v >= _LARGE else v for v in (size, size, at)]
            self._put(
                _CENTRAL.pack(
                    b"PK\x01\x02", 0, 45 if wide else 0, _UTF8_NAMES, 0, 0, 0, crc, short[0], short[1],
                    len(title), len(extra), 0, 0, 0, 0, short[2],
                ) + title + extra
            )  # fmt: skip
        size, count = self._at - start, len(self._directory)
        if start >= _LARGE or size >= _LARGE or count >= 0xFFFF:
            end64 = self._at
            self._put(_END64.pack(b"PK\x06\x06", _END64.size - 12, 45, 45, 0, 0, count, count, size, start))
            self._put(_LOCATOR.pack(b"PK\x06\x07", 0, end64, 1))
        few = min(count, 0xFFFF)
        large = 0xFFFFFFFF
        self._put(
            _END.pack(
                b"PK\x05\x06", 0, 0, few, few,
                large if size >= _LARGE else size, large if start >= _LARGE else start, 0,
            )
        )  # fmt: skip

    def _fingerprint(self) -> str:
        """Forty digits that tell two files apart: from the records' names, and from their contents."""
        return _digits(title for title, *_ in self._directory) + _digits(
            crc.to_bytes(4, "little") for _, crc, *_ in self._directory
        )

    def _put(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._at += len(data)


def _digits(parts: Iterable[bytes]) -> str:
    import hashlib

    digest = hashlib.sha256(b"\0".join(parts)).digest()
    return f"{int.from_bytes(digest[:8], 'little'):020d}"
