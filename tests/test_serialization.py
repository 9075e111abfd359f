"""save and load: PyTorch's file format, damaged and hostile files, pickling and copying."""

import copy
import io
import os
import pickle
import stat
import struct
import zipfile
from collections import Counter, OrderedDict

import pytest

import lampas
from lampas import serialization


def saved(obj, **options):
    buffer = io.BytesIO()
    lampas.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


def shares(a, b):
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


@pytest.fixture
def values():
    base = lampas.arange(10.0)
    state = OrderedDict(weight=lampas.ones(2, 3))
    state._metadata = {"": {"version": 1}}
    return {
        "base": base,
        "view": base[2:5],
        "transposed": base.view(2, 5).t(),
        "parameter": lampas.nn.Parameter(lampas.ones(3)),
        "frozen": lampas.nn.Parameter(lampas.ones(3), requires_grad=False),
        "leaf": lampas.ones(2, requires_grad=True),
        "scalar": lampas.tensor(3.5, dtype=lampas.float64),
        "empty": lampas.zeros(3, 0),
        "expanded": lampas.ones(1).expand(5),
        "meta": lampas.empty(3, 4, device="meta"),
        "state": state,
        "counter": Counter("abca"),
        "plain": [1, 2.5, None, True, 1 << 70, -5, "ü", b"bytes", bytearray(b"more"), {1, 2}, 1j, (1, (2, 3))],
        "shape": base.shape,
        "dtype": lampas.float16,
        "device": lampas.device("cpu"),
        "optimizer": {"state": {0: {"step": lampas.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
    }


def same(a, b):
    if isinstance(a, lampas.Tensor):
        assert type(a) is type(b)
        assert (a.dtype, a.shape, a.stride(), a.requires_grad) == (b.dtype, b.shape, b.stride(), b.requires_grad)
        assert a.device == b.device
        if a.device.type != "meta":
            assert a.tolist() == b.tolist()
    elif isinstance(a, dict):
        assert type(a) is type(b) and list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)) and not isinstance(a, lampas.Size):
        assert type(a) is type(b) and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert type(a) is type(b) and a == b


class TestRoundTrip:
    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    @pytest.mark.parametrize("weights_only", [True, False])
    def test_everything(self, values, protocol, weights_only):
        loaded = lampas.load(saved(values, pickle_protocol=protocol), weights_only=weights_only)
        same(values, loaded)
        assert loaded["state"]._metadata == {"": {"version": 1}}

    def test_views_share_their_storage(self, values):
        loaded = lampas.load(saved(values))
        assert shares(loaded["base"], loaded["view"]) and shares(loaded["base"], loaded["transposed"])
        loaded["view"].fill_(7)
        assert loaded["base"].tolist() == [0, 1, 7, 7, 7, 5, 6, 7, 8, 9]

    @pytest.mark.parametrize(
        "dtype",
        ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]
        + ["complex128"],
    )
    def test_every_dtype(self, dtype):
        t = lampas.arange(5).to(getattr(lampas, dtype))
        same(t, lampas.load(saved(t)))

    def test_path_and_mmap(self, values, tmp_path):
        path = tmp_path / "model.pt"
        lampas.save(values, path)
        same(values, lampas.load(path))
        same(values, lampas.load(str(path)))
        before = path.read_bytes()
        mapped = lampas.load(path, mmap=True)
        same(values, mapped)
        mapped["base"].zero_()
        assert path.read_bytes() == before

    def test_old_format(self, values):
        del values["meta"]
        for weights_only in (True, False):
            buffer = saved(values, _use_new_zipfile_serialization=False)
            same(values, lampas.load(buffer, weights_only=weights_only))

    def test_attributes(self):
        t = lampas.ones(2)
        t.note = "x"
        p = lampas.nn.Parameter(lampas.ones(2))
        p.note = "y"
        loaded = lampas.load(saved([t, p]))
        assert loaded[0].note == "x" and loaded[1].note == "y" and isinstance(loaded[1], lampas.nn.Parameter)

    def test_file_in_the_middle_of_a_stream(self):
        buffer = io.BytesIO(b"before" + saved(lampas.ones(3)).getvalue())
        buffer.seek(6)
        assert lampas.load(buffer).tolist() == [1, 1, 1]

    def test_big_endian(self):
        archive = rewritten(
            saved(lampas.tensor([1.0, 2.0])).getvalue(),
            {"byteorder": b"big", "data/0": struct.pack(">2f", 1.0, 2.0)},
        )
        assert lampas.load(archive).tolist() == [1.0, 2.0]

    def test_a_class_that_was_allowed(self):
        with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL .*Settings was not an allowed global"):
            lampas.load(saved(Settings(3)))
        with serialization.safe_globals([Settings]):
            assert lampas.load(saved(Settings(3))).value == 3
        assert serialization.get_safe_globals() == []
        serialization.add_safe_globals([Settings])
        assert serialization.get_safe_globals() == [Settings]
        serialization.clear_safe_globals()
        with pytest.raises(pickle.UnpicklingError):
            lampas.load(saved(Settings(3)))
        assert lampas.load(saved(Settings(3)), weights_only=False).value == 3

    def test_unsafe_globals_are_listed(self, tmp_path):
        lampas.save({"a": lampas.ones(1), "s": Settings(1)}, tmp_path / "s.pt")
        found = serialization.get_unsafe_globals_in_checkpoint(tmp_path / "s.pt")
        assert [name for name in found if name.endswith(".Settings")] and not any("torch" in name for name in found)


class Settings:
    def __init__(self, value):
        self.value = value


class TestContainer:
    def test_records(self, tmp_path):
        lampas.save({"a": lampas.ones(100), "b": lampas.zeros(3)}, tmp_path / "net.v1.pt")
        raw = (tmp_path / "net.v1.pt").read_bytes()
        archive = zipfile.ZipFile(tmp_path / "net.v1.pt")
        assert archive.testzip() is None
        names = [i.filename for i in archive.infolist()]
        assert names == [
            f"net.v1/{n}"
            for n in ("data.pkl", ".format_version", ".storage_alignment", "byteorder", "data/0", "data/1", "version")
        ] + ["net.v1/.data/serialization_id"]
        assert archive.read("net.v1/version") == b"3\n" and archive.read("net.v1/byteorder") == b"little"
        assert len(archive.read("net.v1/.data/serialization_id")) == 40
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            name, extra = struct.unpack_from("<HH", raw, info.header_offset + 26)
            assert (info.header_offset + 30 + name + extra) % 64 == 0

    def test_names_are_pytorchs(self):
        content = zipfile.ZipFile(saved({"p": lampas.nn.Parameter(lampas.ones(1)), "t": lampas.ones(1).half()})).read(
            "archive/data.pkl"
        )
        for name in (b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_parameter\n"):
            assert name in content
        assert b"ctorch\nFloatStorage\n" in content and b"ctorch\nHalfStorage\n" in content
        assert b"ccollections\nOrderedDict\n" in content and b"lampas" not in content

    def test_large_archives(self, monkeypatch):
        from lampas.serialization import archive

        monkeypatch.setattr(archive, "_LARGE", 100)  # as if the 32-bit fields ended there
        buffer = saved(lampas.arange(100))
        assert lampas.load(buffer).tolist() == list(range(100))
        assert zipfile.ZipFile(buffer).testzip() is None

    def test_one_memory_two_dtypes(self):
        t = lampas.ones(4)
        with pytest.raises(RuntimeError, match="different types"):
            lampas.save([t, t.view(lampas.int32)], io.BytesIO())


class TestReplacing:
    def test_permissions_stay(self, tmp_path):
        path = tmp_path / "a.pt"
        lampas.save(1, path)
        path.chmod(0o640)
        lampas.save(2, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640 and lampas.load(path) == 2
        assert os.listdir(tmp_path) == ["a.pt"]

    def test_a_failure_leaves_the_old_file(self, tmp_path):
        path = tmp_path / "a.pt"
        lampas.save([1], path)
        with pytest.raises((AttributeError, pickle.PicklingError)):
            lampas.save([lambda: 0], path)
        assert lampas.load(path) == [1] and os.listdir(tmp_path) == ["a.pt"]

    def test_a_link_stays_one(self, tmp_path):
        (tmp_path / "link.pt").symlink_to(tmp_path / "real.pt")
        lampas.save(1, tmp_path / "link.pt")
        assert (tmp_path / "link.pt").is_symlink() and lampas.load(tmp_path / "real.pt") == 1

    def test_errors(self, tmp_path):
        with pytest.raises(RuntimeError, match=r"Parent directory .* does not exist"):
            lampas.save(1, tmp_path / "none" / "a.pt")
        with pytest.raises(AttributeError, match="'write' attribute"):
            lampas.save(1, 3)


class TestPlaces:
    def test_map_location(self):
        t = lampas.ones(3)
        for place in ("cpu", lampas.device("cpu"), {"cpu": "cpu"}, lambda storage, location: storage):
            assert lampas.load(saved(t), map_location=place).tolist() == [1, 1, 1]
        seen = []
        lampas.load(saved(t), map_location=lambda storage, location: seen.append(location))
        assert seen == ["cpu"]
        meta = lampas.load(saved(t), map_location="meta")
        assert meta.device.type == "meta" and meta.shape == (3,)

    @pytest.mark.parametrize("place", ["cuda", "cuda:1", "nowhere", {"cpu": "cuda"}])
    def test_places_that_are_not_here(self, place):
        with pytest.raises(RuntimeError, match="map_location='cpu'"):
            lampas.load(saved(lampas.ones(1)), map_location=place)


# --- damaged and hostile files ----------------------------------------------------------------------------------------


def rewritten(raw, changes):
    """The archive with some records replaced (or removed, with None); checksums are right again."""
    source, target = zipfile.ZipFile(io.BytesIO(raw)), io.BytesIO()
    with zipfile.ZipFile(target, "w") as out:
        for info in source.infolist():
            name = info.filename.partition("/")[2]
            content = changes.get(name, source.read(info))
            if content is not None:
                out.writestr(info.filename, content)
    target.seek(0)
    return target


def with_pickle(content):
    return rewritten(saved(lampas.ones(4)).getvalue(), {"data.pkl": content})


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu%stQ"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"%s%s%s\x89ccollections\nOrderedDict\n)RtR."


def tensor_pickle(numel=b"K\x04", offset=b"K\x00", size=b"K\x04\x85", stride=b"K\x01\x85"):
    return b"\x80\x02" + TENSOR % (numel, offset, size, stride)


class TestDamaged:
    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            lampas.load(tmp_path / "none.pt")
        with pytest.raises(IsADirectoryError):
            lampas.load(tmp_path)
        with pytest.raises(AttributeError, match="seekable"):
            lampas.load(3)

    def test_empty(self):
        with pytest.raises(EOFError, match="empty"):
            lampas.load(io.BytesIO())

    @pytest.mark.parametrize("content", [b"hello world", b"\x00" * 600, b"\x89PNG\r\n\x1a\n" * 9, b"\x80\x02K\x05."])
    def test_not_a_checkpoint(self, content):
        with pytest.raises((pickle.UnpicklingError, RuntimeError), match=r"no checkpoint|Invalid magic"):
            lampas.load(io.BytesIO(content))

    def test_every_truncation(self):
        raw = saved({"a": lampas.arange(20.0), "b": "text"}).getvalue()
        for end in range(0, len(raw), 7):
            with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError)):
                lampas.load(io.BytesIO(raw[:end]))

    def test_every_truncation_of_the_old_format(self):
        raw = saved({"a": lampas.arange(20.0)}, _use_new_zipfile_serialization=False).getvalue()
        for end in range(len(raw)):
            with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError)):
                lampas.load(io.BytesIO(raw[:end]))

    def test_every_changed_byte(self):
        """A flipped bit is noticed, or changes nothing; nothing but the documented errors comes out."""
        good = {"a": lampas.arange(3.0)}
        raw = bytearray(saved(good).getvalue())
        noticed = 0
        for at in range(0, len(raw), 3):
            raw[at] ^= 0x10
            try:
                loaded = lampas.load(io.BytesIO(bytes(raw)))
                assert loaded["a"].tolist() == [0.0, 1.0, 2.0]
            except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
                noticed += 1
            raw[at] ^= 0x10
        assert noticed > 50

    def test_checksum(self):
        raw = saved(lampas.full((50,), 3.0)).getvalue()
        at = raw.find(struct.pack("<f", 3.0) * 4)
        with pytest.raises(RuntimeError, match="checksum"):
            lampas.load(io.BytesIO(raw[:at] + b"\x01" + raw[at + 1 :]))

    def test_missing_record(self):
        with pytest.raises(RuntimeError, match="'data/0' is missing"):
            lampas.load(rewritten(saved(lampas.ones(4)).getvalue(), {"data/0": None}))
        with pytest.raises(RuntimeError, match=r"'data.pkl' is missing"):
            lampas.load(rewritten(saved(lampas.ones(4)).getvalue(), {"data.pkl": None}))

    def test_short_record(self):
        with pytest.raises(RuntimeError, match="its record has 8 bytes"):
            lampas.load(rewritten(saved(lampas.ones(4)).getvalue(), {"data/0": b"\0" * 8}))

    def test_program(self):
        target = rewritten(saved(lampas.ones(4)).getvalue(), {})
        with zipfile.ZipFile(target, "a") as out:
            out.writestr("archive/constants.pkl", b"")
        target.seek(0)
        with pytest.raises(RuntimeError, match="TorchScript"):
            lampas.load(target)


class Evil:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class TestHostile:
    def test_nothing_runs(self, tmp_path):
        mark = tmp_path / "mark"
        for evil in (Evil(os.mkdir, str(mark)), Evil(exec, f"open({str(mark)!r}, 'w')"), Evil(eval, "1")):
            for options in ({}, {"_use_new_zipfile_serialization": False}):
                with pytest.raises(pickle.UnpicklingError, match=r"blocked|not an allowed global"):
                    lampas.load(saved(evil, **options))
        assert not mark.exists()

    def test_refused_name_is_told(self):
        with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL eval was not an allowed global"):
            lampas.load(saved(Evil(eval, "1")))
        with pytest.raises(pickle.UnpicklingError, match=r"posix\.mkdir|nt\.mkdir"):
            lampas.load(saved(Evil(os.mkdir, "x")))

    def test_blocked_even_when_allowed(self):
        with serialization.safe_globals([os.mkdir]), pytest.raises(pickle.UnpicklingError, match="blocked"):
            lampas.load(saved(Evil(os.mkdir, "x")))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"numel": b"\x8a\x06\x00\x00\x00\x00\x00\x01"}, "its record has 16 bytes"),
            ({"numel": b"J\xff\xff\xff\xff"}, "its record has 16 bytes"),
            ({"offset": b"K\x01"}, "out of bounds"),
            ({"offset": b"J\xff\xff\xff\xff"}, "negative"),
            ({"offset": b"G\x00\x00\x00\x00\x00\x00\x00\x00"}, "must be integers"),
            ({"size": b"J\xff\xff\xff\xff\x85"}, "negative"),
            ({"stride": b"J\xff\xff\xff\xff\x85"}, "negative"),
            ({"stride": b"K\x02\x85"}, "out of bounds"),
            ({"stride": b"\x8a\x09" + b"\xff" * 8 + b"\x00" + b"\x85"}, "out of bounds"),
            ({"size": b"K\x02K\x02\x86"}, "2 sizes and 1 strides"),
            ({"size": b"(" + b"K\x01" * 99 + b"t", "stride": b"(" + b"K\x01" * 99 + b"t"}, "99 sizes"),
        ],
    )
    def test_geometry(self, change, message):
        assert lampas.load(with_pickle(tensor_pickle())).tolist() == [1, 1, 1, 1]
        with pytest.raises(RuntimeError, match=message):
            lampas.load(with_pickle(tensor_pickle(**change)))

    @pytest.mark.parametrize(
        "content",
        [
            b"ctorch\nTensor\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R.",  # Tensor(2**40)
            b"ctorch\nTensor\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85\x81.",
            b"cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R.",
            b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch\nTensor\nctorch\nTensor\nJ\xff\xff\xff\x7f\x85NtR.",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a string of 2**63 bytes
            b"B\xff\xff\xff\x7f.",
            b"K\x01r\xff\xff\xff\xff0.",  # a memo with room for 2**32 entries
            b"ctorch._utils\n_rebuild_tensor_v2\n}X\x08\x00\x00\x00__code__Nsb.",
            b"ccollections\nOrderedDict\n}X\x01\x00\x00\x00aNsb.",
            b"}" + b")\x85" + b"\x85" * 200_000 + b"Ns.",  # a key nested 200,000 deep
            b"}" + b")" + b"2\x86" * 60 + b"Ns.",  # a key that has 2**60 parts
            b"K\x01a.",
            b"t.",
            b"h\x05.",
            b"R.",
            b"((((.",
            b"X\xff\xff\xff\xffabc.",
            b"(X\x06\x00\x00\x00moduletQ.",
            b"K\x05Q.",
            b"\xff.",
            b"c../../etc/passwd\nx\n.",
            b"cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
            b"csubprocess\nPopen\n.",
            b"cbuiltins\n__import__\n.",
            b"ctorch.serialization\nload\n.",
            b"ctorch.hub\nload\n.",
            b"clampas\nsave\n.",
        ],
    )
    def test_pickles(self, content):
        with pytest.raises((pickle.UnpicklingError, EOFError, RuntimeError)):
            result = lampas.load(with_pickle(b"\x80\x02" + content))
            raise AssertionError(f"loaded {type(result)}")

    def test_keys_are_not_paths(self):
        content = tensor_pickle().replace(b"X\x01\x00\x00\x000", b"X\x0b\x00\x00\x00../../etc/x")
        with pytest.raises(RuntimeError, match="is missing"):
            lampas.load(with_pickle(content))

    def test_compressed_records(self):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("archive/data.pkl", tensor_pickle(numel=b"J\x00\x00\x00\x01"))
            out.writestr("archive/data/0", b"\0" * (1 << 26))
        target.seek(0)
        with pytest.raises(RuntimeError, match="compressed"):
            lampas.load(target)

    def test_overlapping_records(self):
        """Many names for the same bytes would ask for more memory than the file has."""
        raw = bytearray(saved([lampas.zeros(1000), lampas.zeros(1000)]).getvalue())
        first = raw.rfind(b"archive/data/0") - 46
        second = raw.rfind(b"archive/data/1") - 46
        raw[second + 42 : second + 46] = raw[first + 42 : first + 46]
        with pytest.raises(RuntimeError, match="overlap"):
            lampas.load(io.BytesIO(bytes(raw)))

    def test_old_format_with_a_huge_storage(self):
        raw = saved(lampas.ones(4), _use_new_zipfile_serialization=False).getvalue()
        at = raw.find(b"cpu")
        numel = raw.index(b"K\x04", at)
        huge = raw[:numel] + b"J\x00\x00\x00\x40" + raw[numel + 2 :]
        with pytest.raises(RuntimeError, match="larger than the whole file"):
            lampas.load(io.BytesIO(huge))

    def test_pickle_module_needs_trust(self):
        with pytest.raises(RuntimeError, match="explicit pickle_module"):
            lampas.load(saved(1), pickle_module=pickle, weights_only=True)
        assert lampas.load(saved(1), pickle_module=pickle) == 1

    def test_unknown_class_of_pytorch(self):
        content = b"\x80\x02ctorch.nn.modules.nothing\nNoSuchLayer\n."
        with pytest.raises(AttributeError, match=r"torch\.nn\.modules\.nothing\.NoSuchLayer"):
            lampas.load(with_pickle(content), weights_only=False)


class TestPickleAndCopy:
    @pytest.mark.parametrize("protocol", [2, 4, 5])
    def test_pickle(self, values, protocol):
        loaded = pickle.loads(pickle.dumps(values, protocol))
        same(values, loaded)
        assert shares(loaded["base"], loaded["view"]) and not shares(loaded["base"], values["base"])

    def test_deepcopy(self, values):
        values["leaf"].grad = lampas.ones(2)
        made = copy.deepcopy(values)
        same(values, made)
        assert made["leaf"].grad.tolist() == [1, 1] and made["leaf"].grad is not values["leaf"].grad
        assert shares(made["base"], made["transposed"]) and not shares(made["base"], values["base"])
        both = copy.deepcopy([values["base"], values["base"]])
        assert both[0] is both[1]

    def test_copy_shares_memory(self):
        t = lampas.arange(3)
        again = copy.copy(t)
        assert again is not t and shares(again, t)

    def test_deepcopy_of_a_result(self):
        with pytest.raises(RuntimeError, match="only leaves of the graph"):
            copy.deepcopy(lampas.ones(1, requires_grad=True) * 2)

    @pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
    def test_storage(self):
        t = lampas.arange(4.0)
        assert t[1:].storage().tolist() == [0, 1, 2, 3] and t.storage()[2] == 2 and len(t.storage()) == 4
