"""Fetching and unpacking, against a server on this machine."""

import gzip
import hashlib
import http.server
import io
import os
import socket
import tarfile
import threading
import time
import urllib.error
import zipfile

import pytest

from lampas.vision.datasets import MNIST, utils

DATA = bytes(range(256)) * 4096  # 1 MB
MD5 = hashlib.md5(DATA).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        step = server.script.pop(0) if server.script else server.default
        step(self)
        self.close_connection = True

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", claim=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if claim is None else claim))
        self.end_headers()
        self.wfile.write(body)


def whole(handler):
    wanted = handler.headers.get("Range")
    if wanted is None:
        return handler.answer(200, DATA, ETag='"v1"')
    start = int(wanted[len("bytes=") : -1])
    if start >= len(DATA):
        return handler.answer(416)
    handler.answer(206, DATA[start:], ETag='"v1"', Content_Range=f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")


def no_ranges(handler):
    handler.answer(200, DATA)


def cut_after(count):
    return lambda handler: handler.answer(200, DATA[:count], claim=len(DATA), ETag='"v1"')


def status(code):
    return lambda handler: handler.answer(code, b"no")


def wrong(handler):
    handler.answer(200, b"x" * len(DATA))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(utils, "WAITS", (0.01, 0.02, 0.04))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.script, server.default = [], [], whole
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def left(folder):
    return sorted(os.listdir(folder))


def test_plain(server, tmp_path, capfd):
    utils.download_url(server.url + "/a.bin", tmp_path / "new" / "folder", md5=MD5)
    assert (tmp_path / "new" / "folder" / "a.bin").read_bytes() == DATA
    assert left(tmp_path / "new" / "folder") == ["a.bin"]
    assert "a.bin" in capfd.readouterr().err  # progress


def test_progress_without_tqdm(server, tmp_path, capfd, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tqdm.auto", None)
    utils.download_url(server.url + "/a.bin", tmp_path)
    lines = capfd.readouterr().err.splitlines()
    assert lines[-1] == "a.bin: 100% of 1.0 MB" and len(lines) <= 11


def test_what_is_there_is_not_fetched(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(DATA)
    utils.download_url(server.url + "/a.bin", tmp_path, md5=MD5)
    assert server.requests == []
    (tmp_path / "a.bin").write_bytes(DATA[:-1])
    utils.download_url(server.url + "/a.bin", str(tmp_path), md5=MD5)
    assert len(server.requests) == 1 and (tmp_path / "a.bin").read_bytes() == DATA


def test_goes_on_after_a_cut(server, tmp_path):
    server.script = [cut_after(300_000)]
    utils.download_url(server.url + "/a.bin", tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert [r[1:] for r in server.requests] == [(None, None), ("bytes=300000-", '"v1"')]


def test_starts_again_where_the_server_has_no_ranges(server, tmp_path):
    server.script = [cut_after(300_000), no_ranges]
    utils.download_url(server.url + "/a.bin", tmp_path, md5=MD5)
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_later_call_goes_on(server, tmp_path):
    server.script = [cut_after(1000), status(500), status(502), status(503)]
    with pytest.raises(urllib.error.HTTPError, match=r"503.*put it at"):
        utils.download_url(server.url + "/a.bin", tmp_path, md5=MD5)
    assert left(tmp_path) == ["a.bin.part"] and len(server.requests) == 4
    utils.download_url(server.url + "/a.bin", tmp_path, md5=MD5)
    assert server.requests[-1][1] == "bytes=1000-"
    assert left(tmp_path) == ["a.bin"] and (tmp_path / "a.bin").read_bytes() == DATA


@pytest.mark.parametrize("kept", [b"y" * 1000, b"y" * (len(DATA) + 5), DATA])
def test_a_kept_part(server, tmp_path, kept):
    """One of another version, one that is longer than the file, a whole one."""
    (tmp_path / "a.bin.part").write_bytes(kept)
    utils.download_url(server.url + "/a.bin", tmp_path, md5=MD5)
    assert left(tmp_path) == ["a.bin"] and (tmp_path / "a.bin").read_bytes() == DATA
    assert (server.requests == []) == (kept == DATA)


def test_a_kept_part_is_not_trusted_without_checksum(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"y" * 1000)
    utils.download_url(server.url + "/a.bin", tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_wrong_checksum(server, tmp_path):
    server.default = wrong
    with pytest.raises(RuntimeError, match=f"checksum [0-9a-f]{{32}}, expected {MD5}"):
        utils.download_url(server.url + "/a.bin", tmp_path, md5=MD5)
    assert left(tmp_path) == [] and len(server.requests) == 1


def test_not_found_is_said_at_once(server, tmp_path):
    server.default = status(404)
    with pytest.raises(urllib.error.HTTPError) as info:
        utils.download_url(server.url + "/a.bin", tmp_path)
    assert info.value.code == 404 and len(server.requests) == 1
    assert f"{server.url}/a.bin" in str(info.value) and str(tmp_path / "a.bin") in str(info.value)
    assert left(tmp_path) == []


@pytest.mark.parametrize("code", [500, 503, 429])
def test_tries_again_after_an_error_of_the_server(server, tmp_path, code):
    server.script = [status(code), status(code), status(code)]
    utils.download_url(server.url + "/a.bin", tmp_path, md5=MD5)
    assert len(server.requests) == 4 and (tmp_path / "a.bin").read_bytes() == DATA


def test_waits_grow(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(utils.time, "sleep", waits.append)
    server.default = status(500)
    with pytest.raises(urllib.error.HTTPError):
        utils.download_url(server.url + "/a.bin", tmp_path)
    assert waits == [0.01, 0.02, 0.04]


def test_a_silent_server(server, tmp_path, monkeypatch):
    monkeypatch.setattr(utils, "TIMEOUT", 0.1)
    server.script = [lambda handler: time.sleep(0.5)]
    utils.download_url(server.url + "/a.bin", tmp_path, md5=MD5)
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_no_connection(tmp_path):
    with socket.socket() as s:  # a port nobody listens on
        s.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{s.getsockname()[1]}/a.bin"
        begun = time.monotonic()
        with pytest.raises(urllib.error.URLError) as info:
            utils.download_url(url, tmp_path)
        assert time.monotonic() - begun < 0.9  # no waiting for what will not come
    assert url in str(info.value) and str(tmp_path / "a.bin") in str(info.value)


def test_redirections(server, tmp_path):
    server.default = lambda h: whole(h) if h.path == "/3" else h.answer(302, Location=f"/{int(h.path[1:]) + 1}")
    utils.download_url(server.url + "/0", tmp_path, "a.bin", md5=MD5)
    assert (tmp_path / "a.bin").read_bytes() == DATA
    with pytest.raises(RecursionError, match=r"more than 2 redirections"):
        utils.download_url(server.url + "/0", tmp_path, "b.bin", max_redirect_hops=2)


def test_file_url_and_no_name(tmp_path):
    (tmp_path / "source").write_bytes(DATA)
    utils.download_url((tmp_path / "source").as_uri(), tmp_path / "to", md5=MD5)
    assert (tmp_path / "to" / "source").read_bytes() == DATA
    with pytest.raises(ValueError, match=r"filename="):
        utils.download_url("http://127.0.0.1/", tmp_path)


def test_many_at_once_fetch_once(server, tmp_path):
    threads = [
        threading.Thread(target=utils.download_url, args=(server.url + "/a.bin", tmp_path), kwargs={"md5": MD5})
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left(tmp_path) == ["a.bin"] and (tmp_path / "a.bin").read_bytes() == DATA
    assert len(server.requests) == 1


def test_checksums_and_lists(tmp_path):
    (tmp_path / "a.png").write_bytes(b"abc")
    (tmp_path / "folder").mkdir()
    assert utils.calculate_md5(tmp_path / "a.png") == "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321
    assert utils.check_md5(tmp_path / "a.png", "900150983cd24fb0d6963f7d28e17f72", chunk_size=2)
    assert utils.check_integrity(tmp_path / "a.png") and not utils.check_integrity(tmp_path / "a.png", "0" * 32)
    assert not utils.check_integrity(tmp_path / "b")
    assert utils.list_dir(tmp_path) == ["folder"]
    assert utils.list_files(tmp_path, ".png", prefix=True) == [str(tmp_path / "a.png")]
    assert utils.verify_str_arg("a", "x", ("a", "b")) == "a"
    with pytest.raises(ValueError, match=r"'c' for argument x. Valid values are {'a', 'b'}"):
        utils.verify_str_arg("c", "x", ("a", "b"))
    with pytest.raises(ValueError, match=r"type str for argument x"):
        utils.verify_str_arg(3, "x")


def tar_of(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                tar.addfile(info)


@pytest.mark.parametrize("name, mode", [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz"), ("a.tar.xz", "w:xz")])
def test_extract_tar(tmp_path, name, mode):
    tar_of(tmp_path / name, {"x/y.txt": b"hello"}, mode)
    assert utils.extract_archive(str(tmp_path / name), str(tmp_path / "out"), remove_finished=True) == str(
        tmp_path / "out"
    )
    assert (tmp_path / "out" / "x" / "y.txt").read_bytes() == b"hello" and not (tmp_path / name).exists()


def test_extract_zip_and_single_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/y.txt", "hello")
    assert utils.extract_archive(tmp_path / "a.zip") == tmp_path
    assert (tmp_path / "x" / "y.txt").read_bytes() == b"hello"
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"text"))
    assert utils.extract_archive(str(tmp_path / "b.txt.gz")) == str(tmp_path / "b.txt")
    assert (tmp_path / "b.txt").read_bytes() == b"text"


@pytest.mark.parametrize("filtered", [True, False])
@pytest.mark.parametrize(
    "members",
    [
        {"../evil": b"x"},
        {"a/../../evil": b"x"},
        {"link": (tarfile.SYMTYPE, "/etc"), "link/evil": b"x"},
        {"link": (tarfile.SYMTYPE, ".."), "link/evil": b"x"},
        {"hard": (tarfile.LNKTYPE, "../../secret")},
        {"pipe": (tarfile.FIFOTYPE, "")},
    ],
)
def test_a_hostile_tar(tmp_path, members, filtered, monkeypatch):
    if not filtered:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    tar_of(tmp_path / "a.tar.gz", members)
    out = tmp_path / "deep" / "out"
    with pytest.raises(RuntimeError, match=r"cannot be unpacked"):
        utils.extract_archive(tmp_path / "a.tar.gz", out)
    assert not list(tmp_path.rglob("evil")) and left(tmp_path) in (["a.tar.gz"], ["a.tar.gz", "deep"])


def test_a_hostile_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../evil", "x")
    with pytest.raises(RuntimeError, match=r"outside"):
        utils.extract_archive(tmp_path / "a.zip", tmp_path / "out")
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip", "a.gz", "a.bz2", "a.xz"])
def test_damaged_archives(tmp_path, name):
    (tmp_path / name).write_bytes(b"this is no archive" * 100)
    with pytest.raises(RuntimeError, match=f"{name} cannot be unpacked"):
        utils.extract_archive(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "a").exists()


def test_cut_gzip_leaves_nothing(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(os.urandom(5000))[:3000])
    with pytest.raises(RuntimeError, match=r"fetch it again"):
        utils.extract_archive(tmp_path / "a.gz")
    assert left(tmp_path) == ["a.gz"]


def test_unknown_ending(tmp_path):
    with pytest.raises(RuntimeError, match=r"known endings are .*\.tar"):
        utils.extract_archive(tmp_path / "a.rar")


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.tobytes()


def test_mnist_from_the_second_mirror(server, tmp_path):
    import numpy as np

    images, labels = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28), np.array([4, 7], np.uint8)
    files = {name: gzip.compress(idx(images if "images" in name else labels)) for name, _ in MNIST.resources}

    class Small(MNIST):
        mirrors = [server.url + "/dead/", server.url + "/alive/"]
        resources = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]

    def serve(handler):
        folder, name = handler.path[1:].split("/")
        handler.answer(200, files[name]) if folder == "alive" else handler.answer(404)

    server.default = serve
    data = Small(tmp_path, download=True)
    assert np.array_equal(np.asarray(data[1][0]), images[1]) and data[1][1] == 7
    assert len(server.requests) == 8
    Small(tmp_path, train=False, download=True)
    assert len(server.requests) == 8  # all is there

    server.default = status(404)
    with pytest.raises(RuntimeError, match=r"Error downloading train-images-idx3-ubyte.gz(.|\n)*dead(.|\n)*alive"):
        Small(tmp_path / "other", download=True)
