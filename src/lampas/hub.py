"""Pretrained weights and models from the network or a folder.

A repository of models is a folder with a ``hubconf.py``, whose public functions make models. Such a file is run when
it is looked at: use repositories that you trust.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

import lampas

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

READ_DATA_CHUNK = 128 * 1024
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
MODULE_HUBCONF = "hubconf.py"
TIMEOUT = 30.0
_OWNERS_TRUSTED = ("facebookresearch", "facebookincubator", "pytorch", "fairinternal")

_dir: str | None = None


def get_dir() -> str:
    """The folder for what is downloaded: `set_dir`'s, else ``$TORCH_HOME/hub``, else ``~/.cache/torch/hub``."""
    if _dir is not None:
        return _dir
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.join(os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch"))), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Makes this the folder for what is downloaded."""
    global _dir
    _dir = os.path.expanduser(d)


# --- files ----------------------------------------------------------------------------------------------------------


class _Bar:
    """tqdm's bar where it is installed and wanted."""

    def __init__(self, total: int | None, wanted: bool) -> None:
        self.bar: Any = None
        if wanted:
            with contextlib.suppress(ImportError):
                from tqdm.auto import tqdm

                self.bar = tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1024)

    def __enter__(self) -> _Bar:
        return self

    def add(self, n: int) -> None:
        if self.bar is not None:
            self.bar.update(n)

    def __exit__(self, *error: Any) -> None:
        if self.bar is not None:
            self.bar.close()


def _open(url: str) -> Any:
    """The answer to a request.

    Raises:
        urllib.error.HTTPError: the server refuses.
        urllib.error.URLError: no server answers.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "lampas"})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.msg = f"{error.msg} ({url})"
        raise
    except urllib.error.URLError as error:
        raise urllib.error.URLError(f"cannot reach {url}: {error.reason}") from error


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Fetches a file; ``dst`` appears when it is whole and right.

    Args:
        hash_prefix: how the file's SHA-256 checksum begins, in hexadecimal.
        progress: show a bar on stderr, where tqdm is installed.

    Raises:
        RuntimeError: another checksum, or the connection ended early.
        urllib.error.URLError: no server answers; its subclass HTTPError where it refuses.

    >>> torch.hub.download_url_to_file("https://example.org/weights.pt", "weights.pt")
    """
    dst = os.path.expanduser(dst)
    part = f"{dst}.{uuid.uuid4().hex}.partial"
    digest = hashlib.sha256()
    with _open(url) as answer:
        length = answer.headers.get("Content-Length")
        total = int(length) if length else None
        try:
            with open(part, "xb") as file, _Bar(total, progress) as bar:
                received = 0
                while chunk := answer.read(READ_DATA_CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
                    received += len(chunk)
                    bar.add(len(chunk))
            if total is not None and received < total:
                raise RuntimeError(f"{url}: the connection ended after {received} of {total} bytes; try again")
            if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
                found = digest.hexdigest()[: len(hash_prefix)]
                raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{found}")')
            os.replace(part, dst)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.remove(part)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> dict[str, Any]:
    """What `lampas.load` reads from a file on the network, which is fetched once and kept.

    Args:
        model_dir: where it is kept; by default ``checkpoints`` in `get_dir`.
        map_location, weights_only: as for `lampas.load`.
        check_hash: the file's name ends in the first digits of its checksum (``name-0123abcd.pt``): compare.
        file_name: its name here; by default that of the address.

    Raises:
        RuntimeError: another checksum.
        urllib.error.URLError: no server answers.
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else os.path.expanduser(model_dir)
    os.makedirs(folder, exist_ok=True)
    name = os.path.basename(urlparse(url).path) if file_name is None else file_name
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        sys.stderr.write(f'Downloading: "{url}" to {path}\n')
        prefix = None
        if check_hash and (found := HASH_REGEX.search(name)):
            prefix = found.group(1)
        download_url_to_file(url, path, prefix, progress=progress)
    if (inside := _zipped_file(path)) is not None:
        with zipfile.ZipFile(path) as archive:
            path = archive.extract(inside, folder)
    return lampas.load(path, map_location=map_location, weights_only=weights_only)


def _zipped_file(path: str) -> str | None:
    """The single file within an archive that is no checkpoint itself."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        names = [entry.filename for entry in archive.infolist()]
    return names[0] if len(names) == 1 and not names[0].endswith("/data.pkl") else None


# --- repositories ---------------------------------------------------------------------------------------------------


def _parsed(github: str) -> tuple[str, str, str]:
    """Owner, name and branch of ``"owner/name:branch"``."""
    repo, _, ref = github.partition(":")
    owner, slash, name = repo.partition("/")
    if not slash or not owner or not name or "/" in name:
        raise ValueError(f"a repository is named 'owner/name' or 'owner/name:branch', not {github!r}")
    return owner, name, ref


def _default_branch(owner: str, name: str) -> str:
    try:
        with _open(f"https://github.com/{owner}/{name}/tree/main/"):
            return "main"
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return "master"
        raise
    except urllib.error.URLError:
        for ref in ("main", "master"):
            if os.path.exists(_folder(owner, name, ref)):
                return ref
        raise


def _folder(owner: str, name: str, ref: str) -> str:
    return os.path.join(get_dir(), "_".join([owner, name, ref.replace("/", "_")]))


def _fetched(github: str, force_reload: bool, trust_repo: Any, what: str, verbose: bool = True) -> str:
    """The folder of a repository on GitHub, downloaded where it is not there yet."""
    owner, name, ref = _parsed(github)
    os.makedirs(get_dir(), exist_ok=True)
    ref = ref or _default_branch(owner, name)
    folder = _folder(owner, name, ref)
    _check_trust(owner, name, trust_repo, what)
    if os.path.exists(folder) and not force_reload:
        if verbose:
            sys.stderr.write(f"Using cache found in {folder}\n")
        return folder
    url = f"https://github.com/{owner}/{name}/zipball/{ref}"
    if verbose:
        sys.stderr.write(f'Downloading: "{url}" to {folder}\n')
    with tempfile.TemporaryDirectory(dir=get_dir()) as work:
        packed = os.path.join(work, "repository.zip")
        download_url_to_file(url, packed, progress=False)
        with zipfile.ZipFile(packed) as archive:
            top = archive.infolist()[0].filename.split("/")[0]
            archive.extractall(work)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(os.path.join(work, top), folder)
    return folder


def _check_trust(owner: str, name: str, trust_repo: Any, what: str) -> None:
    """Asks before code of a repository is run for the first time, unless the program has said that it trusts it."""
    if trust_repo not in (True, False, "check", None):
        raise ValueError(f'trust_repo is True, False or "check", not {trust_repo!r}')
    path = os.path.join(get_dir(), "trusted_list")
    trusted = []
    if os.path.exists(path):
        with open(path) as file:
            trusted = file.read().split()
    repo = f"{owner}_{name}"
    known = repo in trusted or owner in _OWNERS_TRUSTED
    if trust_repo is False or (trust_repo in ("check", None) and not known):
        answer = input(
            f"The repository {owner}/{name} is not on the list of trusted ones, and {what} runs its code. "
            "Continue, and trust it from now on (y/N)? "
        )
        if answer.strip().lower() not in ("y", "yes"):
            raise Exception(f"the repository {owner}/{name} is not trusted")
    if repo not in trusted:
        with open(path, "a") as file:
            file.write(repo + "\n")


@contextlib.contextmanager
def _on_path(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _hubconf(folder: str) -> ModuleType:
    """The repository's ``hubconf.py``, run."""
    path = os.path.join(folder, MODULE_HUBCONF)
    if not os.path.isfile(path):
        raise FileNotFoundError(errno.ENOENT, f"no {MODULE_HUBCONF} in the repository", path)
    spec = importlib.util.spec_from_file_location(MODULE_HUBCONF, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _entry(module: ModuleType, name: str) -> Any:
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    needs = [n for n in getattr(module, "dependencies", ()) if importlib.util.find_spec(n) is None]
    if needs:
        raise RuntimeError(f"Missing dependencies: {', '.join(needs)}")
    function = getattr(module, name, None)
    if function is None or not callable(function):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return function


def _is_entry(module: ModuleType, name: str) -> bool:
    return callable(getattr(module, name)) and not name.startswith("_")


def list(
    github: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = "check",
    verbose: bool = True,
) -> Any:
    """The names of the models in a repository on GitHub, ``"owner/name:branch"``.

    Raises:
        urllib.error.URLError: GitHub cannot be reached.
        Exception: the repository is not trusted.
    """
    folder = _fetched(github, force_reload, trust_repo, "list()", verbose)
    with _on_path(folder):
        module = _hubconf(folder)
    return [name for name in dir(module) if _is_entry(module, name)]


def help(
    github: str, model: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = "check"
) -> str | None:
    """The docstring of a model in a repository on GitHub; see `list` for errors."""
    folder = _fetched(github, force_reload, trust_repo, "help()")
    with _on_path(folder):
        return _entry(_hubconf(folder), model).__doc__


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """What the function ``model`` of a repository's ``hubconf.py`` gives, called with the other arguments.

    Args:
        repo_or_dir: ``"owner/name:branch"`` on GitHub, or a folder with ``source="local"``.
        trust_repo: True for a repository whose code may run; "check" and False ask on the terminal.
        force_reload: download again.
        verbose: say on stderr where the repository is.
        skip_validation: accepted.

    Raises:
        ValueError: an unknown ``source``, or a malformed name of a repository.
        RuntimeError: no such function, or modules that it needs are not installed.
        FileNotFoundError: no ``hubconf.py``.
        urllib.error.URLError: GitHub cannot be reached.

    >>> model = torch.hub.load("./models", "small_net", source="local", pretrained=True)
    """
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github":
        repo_or_dir = _fetched(repo_or_dir, force_reload, trust_repo, "load()", verbose)
    with _on_path(repo_or_dir):
        return _entry(_hubconf(repo_or_dir), model)(*args, **kwargs)
