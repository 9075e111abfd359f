"""The safetensors format: what is written, what is refused, mapping, modules with tied weights."""

import json
import struct

import pytest

import lampas
from lampas.utils import safetensors
from lampas.utils.safetensors import (
    SafetensorError,
    load,
    load_file,
    load_model,
    safe_open,
    save,
    save_file,
    save_model,
)

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]


def same(a, b):
    assert list(a) and sorted(a) == sorted(b)
    for name in a:
        assert (a[name].dtype, a[name].shape) == (b[name].dtype, b[name].shape)
        assert a[name].tolist() == b[name].tolist() and b[name].is_contiguous()


@pytest.fixture
def tensors():
    made = {name: lampas.arange(6).reshape(2, 3).to(getattr(lampas, name)) for name in DTYPES}
    base = lampas.arange(10.0)
    return {**made, "scalar": lampas.tensor(2.5), "empty": lampas.zeros(0, 3), "part": base[2:5], "rest": base[5:]}


def raw(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def one(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


class TestRoundTrip:
    def test_bytes(self, tensors):
        same(tensors, load(save(tensors)))

    def test_file(self, tensors, tmp_path):
        path = tmp_path / "a.safetensors"
        save_file(tensors, path, metadata={"format": "pt"})
        same(tensors, load_file(path))
        same(tensors, lampas.load(path))
        same(tensors, lampas.load(str(path), map_location=lampas.device("cpu")))
        assert all(t.is_meta for t in lampas.load(path, map_location="meta").values())
        with pytest.raises(RuntimeError, match="map_location of a safetensors file"):
            lampas.load(path, map_location={"cpu": "cpu"})

    def test_layout(self):
        content = save({"b": lampas.ones(1), "a": lampas.ones(3, dtype=lampas.uint8), "c": lampas.ones(1).double()})
        (length,) = struct.unpack_from("<Q", content)
        assert length % 8 == 0 and list(json.loads(content[8 : 8 + length])) == ["c", "b", "a"]
        assert content[8 + length :] == struct.pack("<df3B", 1, 1, 1, 1, 1)

    def test_changes_stay_in_memory(self, tmp_path):
        path = tmp_path / "a.safetensors"
        save_file({"a": lampas.zeros(3)}, path)
        before = path.read_bytes()
        load_file(path)["a"].fill_(1)
        assert path.read_bytes() == before

    def test_bytes_that_lie_badly(self):
        content = raw({"a": one("U8", (1,), (0, 1)), "b": one("F64", (1,), (1, 9))}, b"\x07" + struct.pack("<d", 1.5))
        assert load(content)["b"].item() == 1.5 and load(content)["a"].item() == 7

    def test_open(self, tensors, tmp_path):
        path = tmp_path / "a.safetensors"
        save_file(tensors, path, {"who": "we"})
        with safe_open(path, framework="pt", device="cpu") as file:
            assert file.keys() == sorted(tensors) and file.metadata() == {"who": "we"}
            assert sorted(file.offset_keys()) == file.keys()
            assert file.get_tensor("part").tolist() == [2, 3, 4]
            part = file.get_slice("float32")
            assert part.get_shape() == [2, 3] and part.get_dtype() == "F32" and part[:, 1:].tolist() == [[1, 2], [4, 5]]
            with pytest.raises(SafetensorError, match="does not contain tensor nothing"):
                file.get_tensor("nothing")
        with pytest.raises(SafetensorError, match="closed"):
            file.get_tensor("part")
        with pytest.raises(SafetensorError, match="framework is 'pt'"):
            safe_open(path, framework="tf")


class TestRefusedToWrite:
    def test_kinds(self):
        for bad in ([lampas.ones(1)], {1: lampas.ones(1)}, {"a": 1}):
            with pytest.raises(ValueError, match=r"Expected a dict|is invalid"):
                save(bad)
        with pytest.raises(ValueError, match="metadata must be"):
            save({"a": lampas.ones(1)}, {"n": 1})
        with pytest.raises(SafetensorError, match=r"complex128, which a safetensors file cannot hold"):
            save({"a": lampas.ones(1, dtype=lampas.complex128)})
        with pytest.raises(RuntimeError, match="device meta"):
            save({"a": lampas.ones(1, device="meta")})

    def test_shared_memory(self):
        t = lampas.ones(4)
        with pytest.raises(RuntimeError, match=r"Some tensors share memory.*save_model"):
            save({"a": t, "b": t[1:]})
        with pytest.raises(RuntimeError, match="share memory"):
            save({"a": t, "b": t})

    def test_order_of_elements(self):
        with pytest.raises(ValueError, match=r"non contiguous tensor: `a`.*contiguous\(\)"):
            save({"a": lampas.ones(2, 3).t()})

    def test_old_file_stays(self, tmp_path):
        path = tmp_path / "a.safetensors"
        save_file({"a": lampas.ones(1)}, path)
        with pytest.raises(ValueError, match="Expected a dict"):
            save_file(3, path)
        assert load_file(path)["a"].item() == 1 and len(list(tmp_path.iterdir())) == 1


class TestDamaged:
    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "fewer than 8"),
            (b"1234567", "fewer than 8"),
            (struct.pack("<Q", 1 << 62), "should have"),
            (struct.pack("<Q", 3) + b"{}", "should have"),
            (raw(b"[]"), "begin with"),
            (raw(b"{"), "no JSON"),
            (raw(b"{\xff}"), "no JSON"),
            (raw(b'{"a":' + b"[" * 100_000), "no JSON"),
            (raw({"a": 3}), "not described"),
            (raw({"a": {**one(), "more": 1}}, b"\0" * 8), "not described"),
            (raw({"a": one(dtype=5)}, b"\0" * 8), "no text"),
            (raw({"a": one(dtype="F8_E4M3")}, b"\0" * 8), "'F8_E4M3', which lampas does not have"),
            (raw({"a": one(shape=(-2,))}, b"\0" * 8), "integers from 0 on"),
            (raw({"a": one(shape=(2.0,))}, b"\0" * 8), "integers from 0 on"),
            (raw({"a": one(shape=(True, 2))}, b"\0" * 8), "integers from 0 on"),
            (raw({"a": one(shape=(1,) * 99)}, b"\0" * 8), "integers from 0 on"),
            (raw({"a": one(shape=(1 << 40, 1 << 40))}, b"\0" * 8), "needs"),
            (raw({"a": one(shape=(3,))}, b"\0" * 8), "needs 12 bytes"),
            (raw({"a": one(offsets=(8, 0))}, b"\0" * 8), "needs"),
            (raw({"a": one(offsets=(4, 12))}, b"\0" * 12), "gaps"),
            (raw({"a": one(), "b": one()}, b"\0" * 8), "overlap"),
            (raw({"a": one()}, b"\0" * 9), "8 bytes, and 9"),
            (raw({"a": one()}, b"\0" * 7), "8 bytes, and 7"),
            (raw(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":1}'), "twice"),
            (raw({"__metadata__": {"a": 1}}), "table of texts"),
            (raw({"__metadata__": []}), "table of texts"),
        ],
    )
    def test_told(self, content, why, tmp_path):
        with pytest.raises(SafetensorError, match=why):
            load(content)
        (tmp_path / "a.safetensors").write_bytes(content)
        with pytest.raises(SafetensorError, match=why if content else "empty"):
            load_file(tmp_path / "a.safetensors")

    def test_nothing_in_it(self):
        assert load(raw({})) == {} and load(save({})) == {}


class Tied(lampas.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = lampas.nn.Linear(3, 3)
        self.second = lampas.nn.Linear(3, 3)
        self.second.weight = self.first.weight


class TestModules:
    def test_tied_weights(self, tmp_path):
        path = tmp_path / "a.safetensors"
        model, other = Tied(), Tied()
        save_model(model, path, {"who": "we"})
        with safe_open(path) as file:
            assert file.keys() == ["first.bias", "first.weight", "second.bias"]
            assert file.metadata() == {"who": "we", "second.weight": "first.weight"}
        assert load_model(other, path) == (set(), [])
        assert other.second.weight.tolist() == model.first.weight.tolist() and other.second.weight is other.first.weight

    def test_mismatch(self, tmp_path):
        path = tmp_path / "a.safetensors"
        save_file({"weight": lampas.ones(2, 3), "more": lampas.ones(1)}, path)
        with pytest.raises(RuntimeError, match=r"Linear: Missing key\(s\): bias; Unexpected key\(s\): more"):
            load_model(lampas.nn.Linear(3, 2), path)
        assert load_model(lampas.nn.Linear(3, 2), path, strict=False) == ({"bias"}, ["more"])

    def test_parts_of_one_memory(self, tmp_path):
        model = lampas.nn.Module()
        base = lampas.arange(10.0)
        model.register_buffer("a", base[:6])
        model.register_buffer("b", base[4:])
        with pytest.raises(RuntimeError, match="no suitable name to keep"):
            save_model(model, tmp_path / "a.safetensors")

    def test_order_of_elements(self, tmp_path):
        model = lampas.nn.Module()
        model.register_buffer("a", lampas.arange(6.0).reshape(2, 3).t())
        save_model(model, tmp_path / "a.safetensors")
        assert load_file(tmp_path / "a.safetensors")["a"].tolist() == [[0, 3], [1, 4], [2, 5]]
        with pytest.raises(ValueError, match="non contiguous"):
            save_model(model, tmp_path / "b.safetensors", force_contiguous=False)


def test_names():
    assert all(hasattr(safetensors, name) for name in safetensors.__all__)
