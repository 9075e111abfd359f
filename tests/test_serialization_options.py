"""Settings of save and load, mapping, the formats of PyTorch's first years, views of large tensors, failing disks."""

import errno
import io
import mmap
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile

import pytest

import lampas
from lampas import serialization
from lampas.utils.serialization import config


def saved(obj, **options):
    buffer = io.BytesIO()
    lampas.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


class Thing:
    def __init__(self, value):
        self.value = value


class TestEnvironment:
    def test_forced(self, monkeypatch):
        monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "yes")
        with pytest.raises(pickle.UnpicklingError, match="not an allowed global"):
            lampas.load(saved(Thing(1)), weights_only=False)
        with pytest.raises(RuntimeError, match="pickle_module"):
            lampas.load(saved(Thing(1)), pickle_module=pickle)

    def test_freed(self, monkeypatch):
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
        with pytest.warns(UserWarning, match="TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"):
            assert lampas.load(saved(Thing(1))).value == 1
        with pytest.raises(pickle.UnpicklingError):
            lampas.load(saved(Thing(1)), weights_only=True)

    def test_both(self, monkeypatch):
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
        monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
        with pytest.raises(RuntimeError, match="Only one of"):
            lampas.load(saved(1))


class TestSettings:
    def test_names(self):
        with pytest.raises(AttributeError, match=r"load\.nothing does not exist; there are mmap"):
            config.load.nothing = 1
        with pytest.raises(AttributeError, match=r"save\.nothing does not exist"):
            _ = config.save.nothing
        with config.patch("load.mmap", True), config.patch({"save.storage_alignment": 4096}):
            assert config.load.mmap and config.save.storage_alignment == 4096
        assert not config.load.mmap and config.save.storage_alignment == 64

    def test_alignment(self):
        with config.patch("save.storage_alignment", 4096):
            buffer = saved(lampas.ones(3))
        raw = buffer.getvalue()
        info = zipfile.ZipFile(io.BytesIO(raw)).getinfo("archive/data/0")
        name, extra = struct.unpack_from("<HH", raw, info.header_offset + 26)
        assert (info.header_offset + 30 + name + extra) % 4096 == 0
        assert lampas.load(buffer).tolist() == [1, 1, 1]

    def test_checksums(self):
        assert serialization.get_crc32_options()
        serialization.set_crc32_options(False)
        try:
            buffer = saved(lampas.ones(3))
        finally:
            serialization.set_crc32_options(True)
        assert all(info.CRC == 0 for info in zipfile.ZipFile(io.BytesIO(buffer.getvalue())).infolist())
        assert lampas.load(buffer).tolist() == [1, 1, 1]

    def test_byte_order_of_old_files(self):
        source, target = zipfile.ZipFile(saved(lampas.ones(1))), io.BytesIO()
        with zipfile.ZipFile(target, "w") as out:
            for info in source.infolist():
                if not info.filename.endswith("byteorder"):
                    big = info.filename.endswith("data/0")
                    out.writestr(info.filename, struct.pack(">f", 1.0) if big else source.read(info))

        def load():
            target.seek(0)
            return lampas.load(target).item()

        assert serialization.get_default_load_endianness() is None and load() != 1.0
        for order in serialization.LoadEndianness:
            serialization.set_default_load_endianness(order)
            try:
                assert serialization.get_default_load_endianness() is order
                assert (load() == 1.0) == (order is serialization.LoadEndianness.BIG or sys.byteorder == "big")
            finally:
                serialization.set_default_load_endianness(None)
        with pytest.raises(TypeError, match="set_default_load_endianness"):
            serialization.set_default_load_endianness("big")

    def test_skip_data(self):
        with serialization.skip_data():
            empty = saved(lampas.ones(100))
            with pytest.raises(RuntimeError, match="Cannot use skip_data=True"):
                saved(lampas.ones(1), _use_new_zipfile_serialization=False)
            old = lampas.load(io.BytesIO(OLD_FORMAT))
        assert lampas.load(empty).tolist() == [0] * 100
        assert old.shape == (3,)
        with serialization.skip_data():
            assert lampas.load(saved(lampas.ones(5))).shape == (5,)


OLD_FORMAT = saved(lampas.ones(3), _use_new_zipfile_serialization=False).getvalue()


def resident(path):
    """Kilobytes of a mapped file that are in this process's memory."""
    total, inside = 0, False
    with open("/proc/self/smaps") as lines:
        for line in lines:
            if "-" in line.split()[0]:
                inside = line.rstrip().endswith(str(path))
            elif inside and line.startswith("Rss:"):
                total += int(line.split()[1])
    return total


class TestMapping:
    def test_the_file_does_not_change(self, tmp_path):
        path = tmp_path / "a.pt"
        lampas.save({"a": lampas.arange(5.0), "e": lampas.zeros(0)}, path)
        before = path.read_bytes()
        first, second = lampas.load(path, mmap=True), lampas.load(str(path), mmap=True)
        first["a"].fill_(7)
        assert path.read_bytes() == before and second["a"].tolist() == [0, 1, 2, 3, 4]
        with config.patch("load.mmap", True):
            assert lampas.load(path)["a"].tolist() == [0, 1, 2, 3, 4]

    def test_writing_through(self, tmp_path):
        path = tmp_path / "a.pt"
        lampas.save(lampas.arange(5.0), path)
        assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
        with serialization.set_default_mmap_options(mmap.MAP_SHARED):
            lampas.load(path, mmap=True).fill_(7)
        assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
        assert lampas.load(path, mmap=True).tolist() == [7] * 5
        with pytest.raises(ValueError, match=r"mmap\.MAP_PRIVATE"):
            serialization.set_default_mmap_options(77)

    @pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="asks Linux what is in memory")
    def test_only_what_is_used_is_read(self, tmp_path):
        path = tmp_path / "large.pt"
        lampas.save({"a": lampas.ones(4_000_000), "b": lampas.ones(4_000_000)}, path)
        loaded = lampas.load(path, mmap=True)
        assert resident(path) < 2_000
        loaded["b"].sum()
        assert 15_000 < resident(path) < 20_000

    def test_replaced_file(self, tmp_path):
        path = tmp_path / "a.pt"
        lampas.save(lampas.ones(100), path)
        loaded = lampas.load(path, mmap=True)
        lampas.save(loaded * 2, path)
        assert loaded.sum() == 100 and lampas.load(path).sum() == 200

    def test_refused(self, tmp_path):
        with pytest.raises(ValueError, match="file path"):
            lampas.load(saved(1), mmap=True)
        (tmp_path / "old.pt").write_bytes(OLD_FORMAT)
        with pytest.raises(RuntimeError, match="mmap can only be used"):
            lampas.load(tmp_path / "old.pt", mmap=True)


class TestPlacesOfOldFormat:
    @pytest.mark.parametrize(
        "place",
        ["cpu", {"cpu": "cpu"}, lambda storage, location: storage, None],
        ids=["name", "dict", "function", "none"],
    )
    def test_memory(self, place):
        assert lampas.load(io.BytesIO(OLD_FORMAT), map_location=place).tolist() == [1, 1, 1]

    def test_shapes_only(self):
        loaded = lampas.load(io.BytesIO(OLD_FORMAT), map_location="meta")
        assert loaded.is_meta and loaded.shape == (3,)

    @pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
    def test_storage_of_the_function(self):
        own = lampas.zeros(3)
        loaded = lampas.load(io.BytesIO(OLD_FORMAT), map_location=lambda storage, location: own.untyped_storage())
        assert own.tolist() == [1, 1, 1] and loaded.data_ptr() == own.data_ptr()
        loaded = lampas.load(io.BytesIO(OLD_FORMAT), map_location=lambda storage, location: own.storage())
        assert loaded.data_ptr() == own.data_ptr()

    def test_refused(self):
        with pytest.raises(RuntimeError, match="CUDA device"):
            lampas.load(io.BytesIO(OLD_FORMAT), map_location="cuda:0")
        with pytest.raises(TypeError, match="must return a storage"):
            lampas.load(io.BytesIO(OLD_FORMAT), map_location=lambda storage, location: 3)
        with pytest.raises(RuntimeError, match="in place of one of 12"):
            small = lampas.zeros(1).untyped_storage()
            lampas.load(io.BytesIO(OLD_FORMAT), map_location=lambda storage, location: small)
        with pytest.raises(TypeError, match="map_location must be"):
            lampas.load(io.BytesIO(OLD_FORMAT), map_location=3)


# --- what PyTorch wrote long ago ------------------------------------------------------------------------------------


class Global:
    """Pickled as the name of something that need not exist."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Pickler(pickle._Pickler):
    def save_global_name(self, obj):
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    def persistent_id(self, obj):
        return obj.key if isinstance(obj, Persistent) else None

    dispatch = {**pickle._Pickler.dispatch, Global: save_global_name}


class Persistent:
    def __init__(self, key):
        self.key = key


def dumped(*values):
    buffer = io.BytesIO()
    for value in values:
        Pickler(buffer, 2).dump(value)
    return buffer.getvalue()


FLOAT = Global("torch", "FloatStorage")


def tar_file(values=(1.0, 2.0, 3.0, 4.0), views=((8, 7, 1, 2),), geometry=((2, 2), (2, 1), 0)):
    size, stride, offset = geometry
    storages = dumped(1, (7, "cpu", FLOAT)) + struct.pack("<q", len(values)) + struct.pack(f"<{len(values)}f", *values)
    storages += dumped([list(view) for view in views])
    kind = Global("torch", "FloatTensor")
    tensors = dumped(2, (20, 7, kind)) + struct.pack("<iI", len(size), 0)
    tensors += struct.pack(f"<{2 * len(size) + 1}q", *size, *stride, offset)
    tensors += dumped((21, 8, kind)) + struct.pack("<iI", 1, 0) + struct.pack("<3q", 2, 1, 0)
    content = dumped({"a": Persistent("20"), "b": Persistent("21"), "text": "x"})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as out:
        for name, data in (("storages", storages), ("tensors", tensors), ("pickle", content)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def file_with_view(view=("2", 1, 2)):
    """The format of PyTorch 0.3, in which a part of a storage could be a storage."""
    rebuild = Global("torch._utils", "_rebuild_tensor")

    class Made:
        def __init__(self, key, size):
            self.args = Persistent(key), 0, (size,), (1,)

        def __reduce_ex__(self, protocol):
            return Call(), self.args

    class Call:
        def __call__(self):
            raise AssertionError

    class Own(Pickler):
        dispatch = {**Pickler.dispatch, Call: lambda self, obj: self.save_global_name(rebuild)}

    buffer = io.BytesIO()
    buffer.write(dumped(0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    whole, part = ("storage", FLOAT, "1", "cpu", 4, None), ("storage", FLOAT, "1", "cpu", 4, view)
    Own(buffer, 2).dump([Made(whole, 4), Made(part, 2)])
    buffer.write(dumped(["1"]) + struct.pack("<q4f", 4, 1, 2, 3, 4))
    return buffer.getvalue()


class TestFirstYears:
    def test_tar(self, tmp_path):
        (tmp_path / "a.pt").write_bytes(tar_file())
        for source in (tmp_path / "a.pt", io.BytesIO(tar_file())):
            loaded = lampas.load(source, weights_only=False)
            assert loaded["a"].tolist() == [[1, 2], [3, 4]] and loaded["b"].tolist() == [2, 3]
            assert loaded["text"] == "x"
            loaded["b"].zero_()
            assert loaded["a"].tolist() == [[1, 0], [0, 4]]
        meta = lampas.load(io.BytesIO(tar_file()), weights_only=False, map_location="meta")
        assert meta["a"].is_meta and meta["b"].shape == (2,)

    def test_tar_is_for_trusted_files(self):
        with pytest.raises(RuntimeError, match=r"Cannot use ``weights_only=True``.*legacy \.tar"):
            lampas.load(io.BytesIO(tar_file()))

    def test_damaged_tar(self):
        for bad, why in (
            (tar_file(geometry=((2, 3), (2, 1), 0)), "out of bounds"),
            (tar_file(views=((8, 7, 3, 2),)), "past the end"),
            (tar_file(views=()), "damaged"),
            (tar_file()[:2600], r"damaged|cut short|Ran out"),
        ):
            with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError), match=why):
                lampas.load(io.BytesIO(bad), weights_only=False)

    @pytest.mark.parametrize("weights_only", [True, False])
    def test_views_of_storages(self, weights_only):
        whole, part = lampas.load(io.BytesIO(file_with_view()), weights_only=weights_only)
        assert whole.tolist() == [1, 2, 3, 4] and part.tolist() == [2, 3]
        part.zero_()
        assert whole.tolist() == [1, 0, 0, 4]
        meta = lampas.load(io.BytesIO(file_with_view()), weights_only=weights_only, map_location="meta")
        assert [t.shape[0] for t in meta] == [4, 2]

    @pytest.mark.parametrize("view", [("2", -1, 2), ("2", 3, 2), ("2", 0, 1 << 60), ("2", 0.5, 2), 3])
    def test_damaged_views(self, view):
        with pytest.raises((RuntimeError, pickle.UnpicklingError), match="damaged"):
            lampas.load(io.BytesIO(file_with_view(view)))


# --- views of large tensors -----------------------------------------------------------------------------------------


class TestLargeBase:
    @pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=str)
    def test_told(self, options):
        base = lampas.zeros(1 << 20)
        with pytest.warns(UserWarning, match=r"use 400 bytes of a storage of 4\.0 MB.*clone\(\)") as told:
            saved([base[:100], base[:100]], **options)
        assert len(told) == 1 and told[0].filename == __file__

    def test_once(self):
        rows = [lampas.zeros(1000, 1000)[:, 0] for _ in range(3)]
        with pytest.warns(UserWarning, match=r"use 3\.9 KB of a storage of 3\.8 MB.*2 more") as told:
            saved(rows)
        assert len(told) == 1

    def test_quiet(self):
        large = lampas.zeros(1 << 20)
        layer = lampas.nn.Linear(1000, 1000)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            saved([large, large[:5]])
            saved(large[: 1 << 17])
            saved(lampas.zeros(1000)[:1])
            saved(large[:5].clone())
            saved(list(large.split(1 << 17)))
            saved([layer.state_dict(), layer.weight.t()])
            saved(large.untyped_storage())


# --- failing disks --------------------------------------------------------------------------------------------------


class TestFailures:
    def test_full_disk(self, tmp_path):
        resource = pytest.importorskip("resource")
        path = tmp_path / "a.pt"
        lampas.save([1], path)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            with pytest.raises(OSError, match=r"its old contents stay: '.*a\.pt'") as caught:
                lampas.save(lampas.zeros(1 << 20), path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert caught.value.errno == errno.EFBIG
        assert lampas.load(path) == [1] and os.listdir(tmp_path) == ["a.pt"]

    def test_sync_fails(self, tmp_path, monkeypatch):
        path = tmp_path / "a.pt"
        lampas.save([1], path)

        def full(handle):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left on device.*a\.pt"):
            lampas.save([2], path)
        assert lampas.load(path) == [1] and os.listdir(tmp_path) == ["a.pt"]

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
    def test_device(self):
        with pytest.raises(OSError, match="No space left"):
            lampas.save(lampas.zeros(10_000), "/dev/full")

    @pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs users")
    def test_no_permission(self, tmp_path, monkeypatch):
        path = tmp_path / "a.pt"
        lampas.save([1], path)
        tmp_path.chmod(0o500)
        try:
            if os.geteuid() == 0:  # whom permissions do not stop
                monkeypatch.setattr("builtins.open", refuse(open))
            with pytest.raises(PermissionError, match=r"Permission denied.*a\.pt'"):
                lampas.save([2], path)
        finally:
            monkeypatch.undo()
            tmp_path.chmod(0o700)
        assert lampas.load(path) == [1] and os.listdir(tmp_path) == ["a.pt"]

    def test_long_names(self, tmp_path):
        path = tmp_path / ("模" * 80 + ".pt")
        lampas.save([1], path)
        assert lampas.load(path) == [1]

    def test_interruption(self, tmp_path):
        path = tmp_path / "a.pt"
        lampas.save([1], path)

        class Stop:
            def __reduce__(self):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            lampas.save([lampas.zeros(100_000), Stop()], path)
        assert lampas.load(path) == [1] and os.listdir(tmp_path) == ["a.pt"]


def refuse(real):
    def opened(name, mode="r", *args, **kwargs):
        if "x" in mode:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return real(name, mode, *args, **kwargs)

    return opened


KILLER = """
import os, random, signal, sys, time
import lampas
lampas.set_num_threads(1)
random.seed(int(sys.argv[2]))
path = sys.argv[1]
last, versions = 0, set()
lampas.save({"version": 0, "values": [lampas.full((30_000,), 0.0) for _ in range(3)]}, path)
for attempt in range(200):
    child = os.fork()
    if child == 0:
        version = last
        while True:
            version += 1
            values = [lampas.full((30_000,), float(version)) for _ in range(3)]
            lampas.save({"version": version, "values": values}, path)
    time.sleep(random.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    loaded = lampas.load(path)
    assert loaded["version"] >= last, (loaded["version"], last)
    for values in loaded["values"]:
        assert values.shape == (30_000,) and bool((values == loaded["version"]).all())
    last = loaded["version"]
    versions.add(last)
print(len(versions), last)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_while_saving(tmp_path):
    """200 processes are killed at random moments: the file is the old one or the new one, and whole."""
    done = subprocess.run(
        [sys.executable, "-c", KILLER, tmp_path / "model.pt", "0"], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    survived, saves = map(int, done.stdout.split())
    assert survived > 20 and saves > 20  # otherwise nothing was saved between the kills
