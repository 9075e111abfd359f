"""`utils.dlpack`, `utils.weak`, `utils.collect_env`."""

import gc

import numpy as np
import pytest

import lampas
from lampas.utils import collect_env, dlpack, weak


class TestDlpack:
    def test_memory_is_shared(self):
        x = lampas.arange(3.0)
        y = dlpack.from_dlpack(dlpack.to_dlpack(x))
        y[0] = 9
        assert x.tolist() == [9, 1, 2]
        array = np.arange(3.0)
        z = dlpack.from_dlpack(array)
        z[1] = 7
        assert array.tolist() == [0, 7, 2] and z.dtype == lampas.float64

    def test_copy(self):
        x = lampas.arange(3.0)
        y = dlpack.from_dlpack(x, device="cpu", copy=True)
        y[0] = 9
        assert x[0] == 0

    def test_refusals(self):
        capsule = dlpack.to_dlpack(lampas.ones(1))
        dlpack.from_dlpack(capsule)
        with pytest.raises(RuntimeError, match="only once"):
            dlpack.from_dlpack(capsule)
        with pytest.raises(BufferError, match="only memory of the CPU can be shared"):
            dlpack.from_dlpack(lampas.ones(1), device="meta")

    def test_kinds_of_devices(self):
        assert lampas.ones(1).__dlpack_device__()[0] == dlpack.DLDeviceType.kDLCPU


class TestWeak:
    def test_keys_are_compared_by_identity(self):
        a, b = lampas.ones(2), lampas.ones(2)
        table = weak.WeakTensorKeyDictionary({a: 1})
        table[b] = 2
        assert table[a] == 1 and table[b] == 2 and len(table) == 2 and next(iter(table)) is a
        assert lampas.ones(2) not in table and 3 not in table
        del table[a]
        assert list(table.values()) == [2]
        with pytest.raises(KeyError):
            table[a]

    def test_keys_leave(self):
        a, b = lampas.ones(2), lampas.ones(2)
        table = weak.WeakTensorKeyDictionary({a: 1, b: 2})
        other = table.copy()
        del a
        gc.collect()
        assert len(table) == 1 and list(other.values()) == [2]

    def test_references(self):
        a = lampas.ones(2)
        reference = weak.TensorWeakRef(a)
        assert reference() is a and weak.WeakIdRef(a) == weak.WeakIdRef(a)
        assert weak.WeakIdRef(a) != weak.WeakIdRef(lampas.ones(2))
        del a
        gc.collect()
        assert reference() is None
        with pytest.raises(AssertionError, match="expected a Tensor"):
            weak.TensorWeakRef(3)


class TestEnvironment:
    def test_text(self, capsys):
        collect_env.main()
        text = capsys.readouterr().out
        for line in (
            f"PyTorch version: {lampas.__version__}",
            f"lampas version: {lampas.version.lampas}",
            "[pip3] numpy==",
        ):
            assert line in text
        assert "Is CUDA available: False" in text and "Python version: 3." in text

    def test_what_is_missing_is_said(self, monkeypatch):
        monkeypatch.setenv("PATH", "")
        info = collect_env.get_env_info()
        assert info.gcc_version is None and "GCC version: Could not collect" in collect_env.pretty_str(info)
