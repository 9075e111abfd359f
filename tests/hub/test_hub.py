"""`hub`: downloads from a server in this process, repositories in folders and from an imitation of GitHub."""

import hashlib
import http.server
import io
import threading
import urllib.error
import zipfile

import pytest

import lampas
from lampas import hub

HUBCONF = '''
dependencies = ["math"]
import helper_of_hub

def double(x, *, plus=0):
    """Twice x."""
    return helper_of_hub.twice(x) + plus

def _hidden():
    pass

number = 3
'''


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "_dir", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def server():
    files, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path not in files:
                self.send_error(404)
                return
            body = files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + (self.path == "/short.pt")))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        running.files, running.asked = files, asked
        running.url = f"http://127.0.0.1:{running.server_port}"
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "hubconf.py").write_text(HUBCONF)
    (folder / "helper_of_hub.py").write_text("def twice(x):\n    return 2 * x\n")
    return folder


def checkpoint():
    buffer = io.BytesIO()
    lampas.save({"weight": lampas.arange(3.0)}, buffer)
    return buffer.getvalue()


class TestFolders:
    def test_where(self, monkeypatch, tmp_path):
        monkeypatch.setattr(hub, "_dir", None)
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        assert hub.get_dir() == str(tmp_path / "hub")
        monkeypatch.delenv("TORCH_HOME")
        monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
        assert hub.get_dir() == "/cache/torch/hub"
        hub.set_dir("~/models")
        assert hub.get_dir().endswith("/models") and "~" not in hub.get_dir()


class TestDownloads:
    def test_file(self, server, tmp_path):
        server.files["/a.bin"] = b"x" * 300_000
        target = tmp_path / "a.bin"
        hub.download_url_to_file(server.url + "/a.bin", str(target), progress=False)
        assert target.read_bytes() == server.files["/a.bin"] and list(tmp_path.iterdir()) == [target]

    def test_checksum(self, server, tmp_path):
        server.files["/a.bin"] = b"hello"
        right = hashlib.sha256(b"hello").hexdigest()
        hub.download_url_to_file(server.url + "/a.bin", str(tmp_path / "a"), right[:8], progress=False)
        with pytest.raises(RuntimeError, match=r'invalid hash value \(expected "00", got "2c"\)'):
            hub.download_url_to_file(server.url + "/a.bin", str(tmp_path / "b"), "00", progress=False)
        assert [p.name for p in tmp_path.iterdir()] == ["a"]

    def test_errors_of_the_network(self, server, tmp_path):
        target = tmp_path / "a"
        with pytest.raises(urllib.error.HTTPError, match=r"404.*Not Found.*nothing\.pt"):
            hub.download_url_to_file(server.url + "/nothing.pt", str(target), progress=False)
        server.files["/short.pt"] = b"abc"
        with pytest.raises(Exception, match=r"ended after 3 of 4 bytes|IncompleteRead"):
            hub.download_url_to_file(server.url + "/short.pt", str(target), progress=False)
        with pytest.raises(urllib.error.URLError, match=r"cannot reach http://127\.0\.0\.1:9/x: .*refused"):
            hub.download_url_to_file("http://127.0.0.1:9/x", str(target), progress=False)
        assert list(tmp_path.iterdir()) == []

    def test_state_dicts(self, server, home, capsys):
        server.files["/w-0.pt"] = checkpoint()
        for _ in range(2):
            state = hub.load_state_dict_from_url(server.url + "/w-0.pt?version=2" if False else server.url + "/w-0.pt")
            assert state["weight"].tolist() == [0, 1, 2]
        assert server.asked == ["/w-0.pt"] and (home / "checkpoints" / "w-0.pt").exists()
        assert capsys.readouterr().err.count("Downloading") == 1
        from lampas.utils import model_zoo

        state = model_zoo.load_url(server.url + "/w-0.pt", file_name="other.pt", weights_only=True, progress=False)
        assert "weight" in state and (home / "checkpoints" / "other.pt").exists()

    def test_state_dicts_with_checksums(self, server, home, tmp_path):
        content = checkpoint()
        right = hashlib.sha256(content).hexdigest()[:8]
        server.files[f"/w-{right}.pt"] = server.files["/w-00000000.pt"] = content
        folder = str(tmp_path / "mine")
        assert hub.load_state_dict_from_url(f"{server.url}/w-{right}.pt", folder, check_hash=True, progress=False)
        with pytest.raises(RuntimeError, match="invalid hash value"):
            hub.load_state_dict_from_url(f"{server.url}/w-00000000.pt", folder, check_hash=True, progress=False)

    def test_zipped_state_dicts(self, server, home):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("inside.pt", checkpoint())
        server.files["/w.zip"] = packed.getvalue()
        assert hub.load_state_dict_from_url(server.url + "/w.zip", progress=False)["weight"].tolist() == [0, 1, 2]


class TestLocalRepositories:
    def test_load(self, repository):
        assert hub.load(str(repository), "double", 3, source="local", plus=1) == 7

    @pytest.mark.parametrize(
        ("arguments", "error", "text"),
        [
            (("nothing",), RuntimeError, "Cannot find callable nothing in hubconf"),
            (("number",), RuntimeError, "Cannot find callable number"),
            ((3,), ValueError, "string of function name"),
        ],
    )
    def test_wrong_names(self, repository, arguments, error, text):
        with pytest.raises(error, match=text):
            hub.load(str(repository), *arguments, source="local")

    def test_missing_parts(self, repository, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no hubconf\.py in the repository"):
            hub.load(str(tmp_path), "double", source="local")
        (repository / "hubconf.py").write_text("dependencies = ['no_such_module_at_all']\ndef double(): pass\n")
        with pytest.raises(RuntimeError, match="Missing dependencies: no_such_module_at_all"):
            hub.load(str(repository), "double", source="local")
        with pytest.raises(ValueError, match='Unknown source: "nowhere"'):
            hub.load(str(repository), "double", source="nowhere")


class TestGitHub:
    @pytest.fixture
    def github(self, server, repository, home, monkeypatch):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path in repository.iterdir():
                archive.writestr(f"owner-models-abc/{path.name}", path.read_text())
        server.files["/owner/models/tree/main/"] = b"here"
        server.files["/owner/models/zipball/main"] = server.files["/owner/models/zipball/v1"] = packed.getvalue()
        opened = hub._open
        monkeypatch.setattr(hub, "_open", lambda url: opened(url.replace("https://github.com", server.url)))
        return server

    def test_load_list_and_help(self, github, home, capsys):
        assert hub.load("owner/models", "double", 2, trust_repo=True) == 4
        assert hub.list("owner/models") == ["double"]
        assert hub.help("owner/models", "double") == "Twice x."
        assert github.asked.count("/owner/models/zipball/main") == 1
        assert (home / "owner_models_main" / "hubconf.py").exists()
        assert "Using cache found in" in capsys.readouterr().err
        hub.load("owner/models:v1", "double", 2, force_reload=True, verbose=False)
        assert (home / "owner_models_v1").exists()

    def test_trust(self, github, home, monkeypatch):
        asked = []
        monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or "n")
        with pytest.raises(Exception, match="owner/models is not trusted"):
            hub.load("owner/models", "double", 2)
        assert "runs its code" in asked[0] and not any("zipball" in path for path in github.asked)
        monkeypatch.setattr("builtins.input", lambda text: "y")
        assert hub.load("owner/models", "double", 2) == 4
        assert (home / "trusted_list").read_text().split() == ["owner_models"]

    def test_wrong_names(self, home, github):
        for wrong in ("models", "a/b/c", "/b"):
            with pytest.raises(ValueError, match="named 'owner/name'"):
                hub.load(wrong, "double", trust_repo=True)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            hub.load("owner/models:v9", "double", trust_repo=True)
        with pytest.raises(ValueError, match="trust_repo is True, False"):
            hub.load("owner/models", "double", trust_repo="maybe")
