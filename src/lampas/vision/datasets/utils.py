"""Fetching files, checking them, unpacking them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import pathlib
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from typing import IO, Any, BinaryIO, NoReturn

from lampas.serialization.files import open_writing

__all__ = [
    "calculate_md5",
    "check_integrity",
    "check_md5",
    "download_and_extract_archive",
    "download_url",
    "extract_archive",
    "iterable_to_str",
    "list_dir",
    "list_files",
    "verify_str_arg",
]

_Path = str | os.PathLike[str]

# seconds before the second, third and fourth try
WAITS = (1.0, 2.0, 4.0)
# seconds without a byte after which a connection is given up
TIMEOUT = 30.0
_CHUNK = 1 << 18


def calculate_md5(fpath: _Path, chunk_size: int = 1024 * 1024) -> str:
    """The MD5 checksum of a file, as 32 hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(fpath, "rb") as file:
        while chunk := file.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def check_md5(fpath: _Path, md5: str, **kwargs: Any) -> bool:
    """Whether a file has this MD5 checksum."""
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath: _Path, md5: str | None = None) -> bool:
    """Whether a file is there and, where a checksum is given, has it."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


class _Progress:
    """A bar on stderr: tqdm's where it is installed, else a line for every tenth of the way."""

    def __init__(self, name: str) -> None:
        self.name, self.done, self.total, self.shown = name, 0, 0, -1
        self.bar: Any = None

    def start(self, done: int, total: int | None) -> None:
        self.done, self.total, self.shown = done, total or 0, -1
        self.close()
        with contextlib.suppress(ImportError):
            from tqdm.auto import tqdm

            self.bar = tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=self.name)

    def add(self, count: int) -> None:
        self.done += count
        if self.bar is not None:
            self.bar.update(count)
        elif self.total and (tenth := self.done * 10 // self.total) > self.shown:
            self.shown = tenth
            print(f"{self.name}: {tenth * 10}% of {self.total / 1e6:.1f} MB", file=sys.stderr)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, most: int) -> None:
        self.most, self.count = most, 0

    def redirect_request(self, *args: Any) -> urllib.request.Request | None:
        self.count += 1
        if self.count > self.most:
            raise RecursionError(
                f"{args[0].full_url} leads on to {args[-1]}, which is more than {self.most} redirections; "
                "give the last address, or a larger max_redirect_hops"
            )
        return super().redirect_request(*args)


def _final(error: Exception) -> bool:
    """Whether another try would be of no use."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code < 500 and error.code not in (408, 416, 425, 429)
    if isinstance(error, urllib.error.URLError):
        reason = error.reason
        if not isinstance(reason, OSError):
            return True
        gone = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOENT, errno.EACCES)
        certificate = type(reason).__name__ == "SSLCertVerificationError"
        return isinstance(reason, socket.gaierror) or reason.errno in gone or certificate
    return False


class _Download:
    """One file on its way into ``path + ".part"``."""

    def __init__(self, url: str, path: str, hops: int, file: BinaryIO) -> None:
        self.url, self.path, self.hops, self.file = url, path, hops, file
        self.version: str | None = None  # what the server calls the file's version
        self.progress = _Progress(os.path.basename(path))

    def restart(self) -> None:
        self.file.truncate(0)
        self.file.seek(0)

    def receive(self) -> None:
        """Ask for what is lacking and write it; an error leaves what has arrived."""
        have = self.file.seek(0, os.SEEK_END)
        headers = {"User-Agent": "lampas"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self.version:
                headers["If-Range"] = self.version
        opener = urllib.request.build_opener(_Redirects(self.hops))
        with opener.open(urllib.request.Request(self.url, headers=headers), timeout=TIMEOUT) as response:
            continues = getattr(response, "status", None) == 206
            if have and not (continues and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")):
                self.restart()
                have = 0
                if continues:
                    raise ConnectionError("the server sent another part of the file than was asked for")
            tag = response.headers.get("ETag", "")
            self.version = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")
            length = response.headers.get("Content-Length", "")
            total = have + int(length) if length.isdecimal() else None
            self.progress.start(have, total)
            try:
                while chunk := response.read(_CHUNK):
                    self.file.write(chunk)
                    self.progress.add(len(chunk))
            finally:
                self.progress.close()
            if total is not None and self.progress.done < total:
                raise ConnectionError(f"the connection ended after {self.progress.done} of {total} bytes")

    def run(self) -> None:
        """Receive the whole file, trying again where that may help."""
        for wait in (*WAITS, None):
            try:
                self.receive()
                self.file.flush()
                return
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                    raise  # the trouble is on this side
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
                    if error.code == 416:
                        self.restart()  # there is no such rest: what was kept belongs to another version
                if wait is None or _final(error):
                    self.fail(error)
                time.sleep(wait)

    def fail(self, error: Exception) -> NoReturn:
        reason = getattr(error, "msg", None) or getattr(error, "reason", None) or error
        message = (
            f"{self.url} could not be downloaded: {reason}. If there is no network here, get the file elsewhere and "
            f"put it at {self.path}"
        )
        if isinstance(error, urllib.error.HTTPError):
            raise urllib.error.HTTPError(self.url, error.code, message, error.hdrs, None) from error
        raise urllib.error.URLError(message) from error


@contextlib.contextmanager
def _exclusive(path: str) -> Iterator[BinaryIO]:
    """The file, created if need be, for this process alone: several may want the same data at the same time."""
    import fcntl

    while True:
        file = open(path, "a+b")  # noqa: SIM115
        with contextlib.suppress(OSError):  # not every file system has locks
            fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                break
        file.close()  # who had it before has renamed or deleted it
    with file:
        yield file


def download_url(
    url: str,
    root: _Path,
    filename: _Path | None = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:
    """Fetch a file, unless it is there already and has the checksum.

    It arrives under the name ``filename.part`` and is renamed when it is whole. A cut connection, a timeout or a
    server's error is tried again three times, going on where it stopped; with ``md5``, so does a later call.

    Args:
        url: ``http``, ``https`` or ``file``.
        root: the folder for it, made if it is not there.
        filename: its name there; the end of the URL by default.
        md5: its checksum, 32 hexadecimal digits; not checked where None.
        max_redirect_hops: how often the server may name another address.

    Raises:
        urllib.error.URLError: no connection, or (``HTTPError``) the server's refusal.
        RuntimeError: the file has another checksum.
        RecursionError: too many redirections.

    >>> download_url("https://example.org/iris.csv", "data")
    """
    root = os.path.expanduser(root)
    path = os.fspath(os.path.join(root, filename or os.path.basename(url)))
    if path.endswith(os.sep):
        raise ValueError(f"{url} ends with no file name: give one with filename=")
    os.makedirs(root, exist_ok=True)
    if check_integrity(path, md5):
        return
    part = path + ".part"
    with _exclusive(part) as file:
        try:
            if not check_integrity(path, md5):  # while this process waited another one may have fetched it
                _fetch(url, path, part, md5, max_redirect_hops, file)
                os.replace(part, path)
        finally:
            # without a checksum nobody could tell what a rest belongs to
            if os.path.exists(part) and (md5 is None or os.path.getsize(part) == 0 or os.path.exists(path)):
                os.unlink(part)


def _fetch(url: str, path: str, part: str, md5: str | None, hops: int, file: BinaryIO) -> None:
    download = _Download(url, path, hops, file)
    kept = file.seek(0, os.SEEK_END)
    if kept and md5 is None:
        download.restart()
    elif kept and check_md5(part, md5 or ""):
        return
    download.run()
    if md5 is None or (found := calculate_md5(part)) == md5:
        return
    if kept:
        download.restart()
        download.run()
        if (found := calculate_md5(part)) == md5:
            return
    os.unlink(part)
    raise RuntimeError(
        f"File not found or corrupted: what {url} sent has the MD5 checksum {found}, expected {md5}. Try again, or put "
        f"the right file at {path}"
    )


def list_dir(root: _Path, prefix: bool = False) -> list[str]:
    """The names of the folders in a folder, or their paths with ``prefix``."""
    root = os.path.expanduser(root)
    found = [name for name in os.listdir(root) if os.path.isdir(os.path.join(root, name))]
    return [os.path.join(root, name) for name in found] if prefix is True else found


def list_files(root: _Path, suffix: str | tuple[str, ...], prefix: bool = False) -> list[str]:
    """The names of the files in a folder that end with ``suffix``, or their paths with ``prefix``."""
    root = os.path.expanduser(root)
    found = [name for name in os.listdir(root) if name.endswith(suffix) and os.path.isfile(os.path.join(root, name))]
    return [os.path.join(root, name) for name in found] if prefix is True else found


_ALIASES = {".tbz": (".tar", ".bz2"), ".tbz2": (".tar", ".bz2"), ".tgz": (".tar", ".gz"), ".txz": (".tar", ".xz")}
_ARCHIVES = (".tar", ".zip")
_COMPRESSIONS = (".bz2", ".gz", ".xz")


def _detect_file_type(file: _Path) -> tuple[str, str | None, str | None]:
    """A file's ending, and what it says: the kind of archive, the compression."""
    suffixes = pathlib.Path(file).suffixes
    last = suffixes[-1] if suffixes else ""
    if last in _ALIASES:
        return last, *_ALIASES[last]
    if last in _ARCHIVES:
        return last, last, None
    if last in _COMPRESSIONS:
        inner = suffixes[-2] if len(suffixes) > 1 else ""
        return (inner + last, inner, last) if inner in _ARCHIVES else (last, None, last)
    known = ", ".join(sorted((*_ALIASES, *_ARCHIVES, *_COMPRESSIONS)))
    raise RuntimeError(f"the name of {os.fspath(file)} says no archive or compression; known endings are {known}")


def _broken(path: _Path, error: BaseException) -> RuntimeError:
    return RuntimeError(f"{os.fspath(path)} cannot be unpacked: {error}. Delete it and fetch it again.")


@contextlib.contextmanager
def open_compressed(path: _Path) -> Iterator[IO[bytes]]:
    """What a .gz, .bz2 or .xz file holds, to read; damage, met while reading too, is a ``RuntimeError``."""
    import bz2
    import gzip
    import lzma
    import zlib

    opener: Any = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}[os.path.splitext(path)[1]]
    with open(path, "rb") as raw:
        try:
            with opener(raw, "rb") as file:
                yield file
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # not about the contents
            raise _broken(path, error) from error


def _inside(folder: str, name: str) -> bool:
    folder = os.path.realpath(folder)
    target = os.path.realpath(os.path.join(folder, name))
    return target == folder or target.startswith(folder.rstrip(os.sep) + os.sep)


def _extract_tar(path: _Path, folder: str, compression: str | None) -> None:
    import tarfile

    mode: Any = f"r:{(compression or '')[1:]}"
    with tarfile.open(path, mode) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, filter="data")
            return
        for member in tar:  # the first releases of Python 3.11 have no filters
            if not (member.isfile() or member.isdir()) or not _inside(folder, member.name):
                raise tarfile.TarError(f"its member {member.name!r} is a link, a device, or outside of the archive")
            tar.extract(member, folder)


def _extract_zip(path: _Path, folder: str) -> None:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not _inside(folder, name):
                raise zipfile.BadZipFile(f"its member {name!r} would be written outside of {folder}")
        archive.extractall(folder)


def extract_archive(from_path: _Path, to_path: _Path | None = None, remove_finished: bool = False) -> Any:
    """Unpack an archive (.tar, .zip), compressed (.gz, .bz2, .xz) or not, or decompress a single file.

    Nothing is ever written outside of the folder, whatever the archive says.

    Args:
        from_path: the archive; its name says what it is.
        to_path: the folder to unpack into; that of the archive by default.
        remove_finished: delete the archive afterwards.

    Returns:
        The folder, or the decompressed file; of the type of ``from_path``.

    Raises:
        RuntimeError: unknown ending, damaged archive, or one that wants to write elsewhere.

    >>> extract_archive("data/pets.tar.gz")
    'data'
    """
    import tarfile
    import zipfile
    import zlib

    suffix, archive, compression = _detect_file_type(from_path)
    folder = os.fspath(os.path.dirname(from_path) if to_path is None else to_path)
    result = folder
    if archive is None:
        os.makedirs(folder or ".", exist_ok=True)
        result = os.path.join(folder, os.path.basename(from_path)[: -len(suffix)])
        with open_compressed(from_path) as source, open_writing(result) as target:
            shutil.copyfileobj(source, target, 1 << 20)
    else:
        try:
            if archive == ".tar":
                _extract_tar(from_path, folder or ".", compression)
            elif compression:
                import io

                with open_compressed(from_path) as source:
                    _extract_zip(io.BytesIO(source.read()), folder or ".")  # type: ignore[arg-type]
            else:
                _extract_zip(from_path, folder or ".")
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
            raise _broken(from_path, error) from error
    if remove_finished:
        os.remove(from_path)
    return result if isinstance(from_path, str) else pathlib.Path(result)


def download_and_extract_archive(
    url: str,
    download_root: _Path,
    extract_root: _Path | None = None,
    filename: _Path | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """Fetch an archive (`download_url`) and unpack it (`extract_archive`), beside itself or in ``extract_root``."""
    download_root = os.path.expanduser(download_root)
    filename = filename or os.path.basename(url)
    download_url(url, download_root, filename, md5)
    archive = os.path.join(download_root, filename)
    extract_archive(archive, download_root if extract_root is None else extract_root, remove_finished)


def iterable_to_str(iterable: Iterable[Any]) -> str:
    """The items in quotes, with commas between them."""
    return "'" + "', '".join(str(item) for item in iterable) + "'"


def verify_str_arg(
    value: Any, arg: str | None = None, valid_values: Iterable[str] | None = None, custom_msg: str | None = None
) -> Any:
    """The value, if it is a string and one of the valid ones; ``ValueError`` otherwise.

    >>> verify_str_arg("train", "split", ("train", "test"))
    'train'
    """
    of = f" for argument {arg}" if arg is not None else ""
    if not isinstance(value, str):
        raise ValueError(f"Expected type str{of}, but got type {type(value)}.")
    if valid_values is not None and value not in (valid := tuple(valid_values)):
        raise ValueError(custom_msg or f"Unknown value {value!r}{of}. Valid values are {{{iterable_to_str(valid)}}}.")
    return value
