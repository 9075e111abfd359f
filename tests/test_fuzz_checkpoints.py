"""Readers of checkpoints meet files that were damaged or written to harm: errors only, nothing runs, little memory."""

import builtins
import contextlib
import io
import json
import os
import pickle
import pickletools
import struct
import subprocess
import zipfile

import pytest

import lampas
from lampas.utils import safetensors

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

ERRORS = (RuntimeError, EOFError, ValueError, pickle.UnpicklingError)
quick = settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


def saved(obj, **options):
    buffer = io.BytesIO()
    lampas.save(obj, buffer, **options)
    return buffer.getvalue()


def values():
    base = lampas.arange(12.0)
    return {
        "base": base,
        "view": base.view(3, 4)[1:, ::2],
        "parameter": lampas.nn.Parameter(lampas.ones(2)),
        "half": lampas.ones(2, dtype=lampas.bfloat16),
        "complex": lampas.ones(2, dtype=lampas.complex64),
        "empty": lampas.zeros(0, 3),
        "optimizer": {"state": {0: {"step": lampas.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.99)}]},
        "plain": [1, 1 << 70, None, b"bytes", "text", {1, 2}, lampas.float16, lampas.device("cpu"), base.shape],
    }


ZIP, OLD = saved(values()), saved(values(), _use_new_zipfile_serialization=False)
PICKLE = zipfile.ZipFile(io.BytesIO(ZIP)).read("archive/data.pkl")


@st.composite
def damage(draw, good):
    """``good`` after a few accidents."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["flip", "byte", "cut", "remove", "insert", "copy", "number"]))
        if kind == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at:]
        elif kind == "remove":
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=12))
        elif kind == "copy":
            data[at:at] = data[at : at + draw(st.integers(1, 60))]
        else:
            data[at : at + 4] = struct.pack("<I", draw(st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])))
    return bytes(data)


def repacked(content):
    """The checkpoint with another pickle, and checksums that are right."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(ZIP)) as source, zipfile.ZipFile(target, "w") as out:
        for info in source.infolist():
            own = content if info.filename == "archive/data.pkl" else source.read(info)
            out.writestr(info.filename, own)
    return target.getvalue()


def touch(obj, depth=0):
    """Use every tensor: memory outside a storage would be noticed here, by its values or by a crash."""
    if isinstance(obj, lampas.Tensor):
        assert obj.is_meta or all(n >= 0 for n in obj.shape)
        if not obj.is_meta and obj.numel():
            reach = obj.storage_offset() + sum((n - 1) * s for n, s in zip(obj.shape, obj.stride(), strict=True)) + 1
            assert obj.storage_offset() >= 0 and reach * obj.element_size() <= obj.untyped_storage().nbytes()
            if obj.numel() < 1000:
                obj.clone()
    elif depth < 5 and isinstance(obj, (dict, list, tuple, set, frozenset)):
        for part in obj.values() if isinstance(obj, dict) else obj:
            touch(part, depth + 1)


@pytest.fixture(scope="module", autouse=True)
def memory():
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes


@pytest.fixture(scope="module", autouse=True)
def alarms():
    """Nothing that a file names may be called."""
    called = []
    places = [(os, "system"), (os, "mkdir"), (os, "remove"), (os, "popen"), (subprocess, "Popen")]
    places += [(builtins, "eval"), (builtins, "exec"), (builtins, "__import__")]
    patch = pytest.MonkeyPatch()
    for module, name in places:
        real = getattr(module, name)

        def alarm(*args, _real=real, _name=name, **kwargs):
            if args and args[0] == MARK:
                called.append(_name)
                return None
            return _real(*args, **kwargs)

        patch.setattr(module, name, alarm)
    yield
    patch.undo()
    assert called == []


MARK = "the file gave this"


def attempt(content, **options):
    # A file may load although it was damaged: not every bit of it matters.
    with contextlib.suppress(ERRORS):
        touch(lampas.load(io.BytesIO(content), **options))


class TestDamaged:
    @quick
    @given(damage(ZIP))
    def test_zip(self, content):
        attempt(content)

    @quick
    @given(damage(OLD))
    def test_old_format(self, content):
        attempt(content)
        attempt(content, map_location="meta")

    @quick
    @given(damage(PICKLE))
    def test_pickle_with_right_checksum(self, content):
        attempt(repacked(content))

    @quick
    @given(st.binary(max_size=200))
    def test_anything(self, content):
        for head in (b"", b"PK\x03\x04", b"\x80\x02"):
            attempt(head + content)
        attempt(repacked(b"\x80\x02" + content))

    @quick
    @given(damage(ZIP))
    def test_mapped(self, tmp_path_factory, content):
        path = tmp_path_factory.getbasetemp() / "damaged.pt"
        path.write_bytes(content)
        with contextlib.suppress(ERRORS):
            touch(lampas.load(path, mmap=True))


# --- hostile pickles ------------------------------------------------------------------------------------------------

EVIL = [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"), ("builtins", "__import__")]
EVIL += [("builtins", "getattr"), ("__builtin__", "eval"), ("subprocess", "Popen"), ("os", "mkdir"), ("nt", "system")]
EVIL += [("torch", "load"), ("torch.serialization", "os.system"), ("torch.utils.data", "DataLoader"), ("torch", "os")]
EVIL += [("torch._utils", "lampas"), ("torch.storage", "weakref"), ("collections", "namedtuple"), ("lampas", "save")]
EVIL += [("torch.nn", "Module"), ("torch", "Tensor.apply_"), ("torch._utils", "_rebuild_tensor_v2.__globals__")]
EVIL += [("runpy", "run_path"), ("importlib", "import_module"), ("functools", "partial"), ("operator", "attrgetter")]
GOOD = [("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"), ("torch", "Tensor"), ("torch", "Size")]
GOOD += [("torch._utils", "_rebuild_parameter"), ("torch._utils", "_rebuild_parameter_with_state"), ("torch", "device")]
GOOD += [("torch._tensor", "_rebuild_from_type_v2"), ("torch", "FloatStorage"), ("torch", "float32")]
GOOD += [("torch._utils", "_rebuild_tensor_v3"), ("torch._utils", "_rebuild_meta_tensor_no_storage")]
GOOD += [("builtins", "bytearray"), ("builtins", "set"), ("_codecs", "encode"), ("collections", "Counter")]
GOOD += [("torch.nn.parameter", "Parameter"), ("torch.serialization", "_get_layout"), ("builtins", "complex")]


def name(pair):
    return b"c" + pair[0].encode() + b"\n" + pair[1].encode() + b"\n"


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value):
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


sizes = st.integers(-5, 20) | st.sampled_from([-1, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63)])
STORAGE = b"(" + text("storage") + name(("torch", "FloatStorage")) + text("0") + text("cpu") + b"K\x0ctQ"
steps = st.one_of(
    st.sampled_from([name(pair) for pair in GOOD]),
    st.sampled_from([name(pair) for pair in EVIL]),
    sizes.map(integer),
    st.sampled_from([text(MARK), text("0"), text("storage"), text("cpu"), text("__class__"), text("conj"), STORAGE]),
    st.sampled_from(list(b"()tRbQN01}]laesudh\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x93\x94")).map(lambda b: bytes([b])),
    st.integers(0, 5).map(lambda n: b"q" + bytes([n])),
    st.integers(0, 5).map(lambda n: b"h" + bytes([n])),
)


class TestHostile:
    @settings(quick, max_examples=600)
    @given(st.lists(steps, max_size=30))
    def test_programs(self, program):
        attempt(repacked(b"\x80\x02" + b"".join(program) + b"."))

    @pytest.mark.parametrize("pair", EVIL, ids=".".join)
    def test_calls(self, pair):
        for content in (
            name(pair) + text(MARK) + b"\x85R.",
            name(pair) + text(MARK) + b"\x85\x81.",
            text(pair[0]) + text(pair[1]) + b"\x93" + text(MARK) + b"\x85R.",
            name(("torch._tensor", "_rebuild_from_type_v2"))
            + b"("
            + name(pair)
            + name(("torch", "Tensor"))
            + text(MARK)
            + b"\x85NtR.",
            b"(" + text(MARK) + b"i" + pair[0].encode() + b"\n" + pair[1].encode() + b"\n.",
            b"(" + name(pair) + text(MARK) + b"o.",
        ):
            for whole in (repacked(b"\x80\x02" + content), b"\x80\x02" + content):
                with pytest.raises(ERRORS):
                    lampas.load(io.BytesIO(whole))

    @settings(quick, max_examples=400)
    @given(
        numel=sizes,
        offset=sizes,
        shape=st.lists(sizes, max_size=4),
        strides=st.lists(sizes, max_size=4),
        conj=st.booleans(),
    )
    def test_geometry(self, numel, offset, shape, strides, conj):
        storage = b"(" + text("storage") + name(("torch", "FloatStorage")) + text("0") + text("cpu")
        content = name(("torch._utils", "_rebuild_tensor_v2")) + b"(" + storage + integer(numel) + b"tQ"
        content += integer(offset) + b"(" + b"".join(map(integer, shape)) + b"t"
        content += (
            b"(" + b"".join(map(integer, strides)) + b"t" + b"\x89" + name(("collections", "OrderedDict")) + b")R"
        )
        content += (b"}" + text("conj") + b"\x88s" + text("neg") + b"\x88s" if conj else b"") + b"tR."
        for options in ({}, {"map_location": "meta"}):
            attempt(repacked(b"\x80\x02" + content), **options)

    def test_expanded_and_conjugated(self):
        """A tensor of 2**40 elements over one number must not be computed."""
        content = name(("torch._utils", "_rebuild_tensor_v2")) + b"(" + STORAGE + b"K\x00" + integer(2**40) + b"\x85"
        content += b"K\x00\x85\x89" + name(("collections", "OrderedDict")) + b")R}" + text("neg") + b"\x88stR."
        loaded = lampas.load(io.BytesIO(repacked(b"\x80\x02" + content)))
        assert loaded.shape == (2**40,) and loaded.untyped_storage().nbytes() <= 48

    @pytest.mark.parametrize(
        "body",
        [
            name(("builtins", "bytearray")) + b"q\x00" + b"0B%s%sq\x010" + b"h\x00h\x01\x85R0" * 30_000,
            name(("torch", "Size")) + b"q\x000(" + b"K\x01" * 100_000 + b"tq\x010" + b"h\x00h\x01\x85R0" * 30_000,
            b"(" + b"K\x01" * 50_000 + b"tq\x010}" + b"h\x01Ns" * 30_000,
        ],
        ids=["bytes", "sizes", "keys"],
    )
    def test_copies_over_and_over(self, body):
        if b"%s" in body:
            body = body.replace(b"%s%s", struct.pack("<I", 200_000) + b"x" * 200_000)
        with pytest.raises(pickle.UnpicklingError, match="over and over"):
            lampas.load(io.BytesIO(repacked(b"\x80\x02" + body + b"N.")))

    @quick
    @given(damage(PICKLE))
    def test_looking_for_unsafe_names(self, content):
        with contextlib.suppress(ERRORS):
            found = lampas.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(repacked(content)))
            assert all(isinstance(item, str) for item in found)

    def test_the_programs_are_pickles(self):
        """The test above must not end at the first instruction."""
        content = b"\x80\x02" + name(GOOD[0]) + b")R" + text(MARK) + STORAGE + integer(-(2**63)) + b"\x87."
        assert len(list(pickletools.genops(content))) == 16


# --- safetensors ----------------------------------------------------------------------------------------------------

SAFE = safetensors.save(
    {k: v for k, v in values().items() if isinstance(v, lampas.Tensor) and k not in ("view", "base")}
)
anything = st.recursive(
    st.none() | st.booleans() | sizes | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


class TestSafetensors:
    @quick
    @given(damage(SAFE))
    def test_damaged(self, content):
        with contextlib.suppress(safetensors.SafetensorError):
            touch(safetensors.load(content))

    @quick
    @given(
        st.dictionaries(
            st.sampled_from(["a", "b", "__metadata__"]) | st.text(max_size=3),
            anything
            | st.fixed_dictionaries(
                {
                    "dtype": st.sampled_from([*safetensors._DTYPES, "F8_E4M3", "", "float"]) | anything,
                    "shape": st.lists(sizes, max_size=3) | anything,
                    "data_offsets": st.lists(sizes, min_size=2, max_size=2) | anything,
                }
            ),
            max_size=3,
        ),
        st.binary(max_size=40),
    )
    def test_headers(self, header, data):
        content = json.dumps(header).encode()
        with contextlib.suppress(safetensors.SafetensorError):
            touch(safetensors.load(struct.pack("<Q", len(content)) + content + data))
