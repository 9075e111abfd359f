"""Files written by PyTorch are read here, and the other way round."""

import io
import zipfile
from collections import OrderedDict

import pytest

import lampas

torch = pytest.importorskip("torch")

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]
DTYPES += ["complex128"]


def made_with(library):
    base = library.arange(10.0)
    state = OrderedDict(weight=library.ones(2, 3))
    state._metadata = {"": {"version": 1}}
    made = {
        "base": base,
        "view": base[2:5],
        "transposed": base.view(2, 5).t(),
        "parameter": library.nn.Parameter(library.ones(3)),
        "frozen": library.nn.Parameter(library.ones(3), requires_grad=False),
        "leaf": library.ones(2, requires_grad=True),
        "empty": library.zeros(3, 0),
        "expanded": library.ones(1).expand(5),
        "meta": library.empty(3, 4, device="meta"),
        "state": state,
        "plain": [1, 2.5, None, True, 1 << 70, -5, "ü", b"bytes", {1, 2}, 1j, (1, (2, 3))],
        "shape": base.shape,
        "dtype": library.float16,
        "device": library.device("cpu"),
    }
    made.update({name: library.arange(5).to(getattr(library, name)) for name in DTYPES})
    return made


def same(a, b):
    """Whether two values of either library are the same."""
    if isinstance(a, (lampas.Tensor, torch.Tensor)):
        assert isinstance(b, (lampas.Tensor, torch.Tensor)) and type(a).__name__ == type(b).__name__
        assert str(a.dtype) == str(b.dtype) and tuple(a.shape) == tuple(b.shape) and a.stride() == b.stride()
        assert a.requires_grad == b.requires_grad and str(a.device) == str(b.device)
        if str(a.device) != "meta":
            assert a.tolist() == b.tolist()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif type(a).__module__.startswith(("torch", "lampas")):
        assert str(a) == str(b)
    else:
        assert a == b


def shares(values):
    return values["base"].data_ptr() == values["transposed"].data_ptr()


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("options", [{}, {"pickle_protocol": 5}, {"_use_new_zipfile_serialization": False}], ids=str)
def test_theirs_to_ours(weights_only, options):
    theirs = made_with(torch)
    if "_use_new_zipfile_serialization" in options:
        del theirs["meta"]
    buffer = io.BytesIO()
    torch.save(theirs, buffer, **options)
    buffer.seek(0)
    ours = lampas.load(buffer, weights_only=weights_only)
    same(theirs, ours)
    assert shares(ours) and ours["state"]._metadata == {"": {"version": 1}}
    assert type(ours["base"]) is lampas.Tensor and isinstance(ours["parameter"], lampas.nn.Parameter)


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=str)
def test_ours_to_theirs(weights_only, options):
    ours = made_with(lampas)
    if options:
        del ours["meta"]
    buffer = io.BytesIO()
    lampas.save(ours, buffer, **options)
    buffer.seek(0)
    theirs = torch.load(buffer, weights_only=weights_only)
    same(ours, theirs)
    assert shares(theirs) and theirs["state"]._metadata == {"": {"version": 1}}
    assert isinstance(theirs["parameter"], torch.nn.Parameter)


def test_mmap(tmp_path):
    lampas.save(made_with(lampas), tmp_path / "ours.pt")
    torch.save(made_with(torch), tmp_path / "theirs.pt")
    same(torch.load(tmp_path / "ours.pt", mmap=True), lampas.load(tmp_path / "theirs.pt", mmap=True))


def test_the_pickle_is_the_same():
    ours, theirs = io.BytesIO(), io.BytesIO()
    lampas.save(made_with(lampas), ours)
    torch.save(made_with(torch), theirs)
    ours, theirs = zipfile.ZipFile(ours), zipfile.ZipFile(theirs)
    assert ours.read("archive/data.pkl") == theirs.read("archive/data.pkl")
    assert [i.filename for i in ours.infolist()] == [i.filename for i in theirs.infolist()]


def test_module_state_goes_both_ways():
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    ours = lampas.nn.Sequential(lampas.nn.Linear(3, 4), lampas.nn.BatchNorm1d(4))
    buffer = io.BytesIO()
    torch.save(theirs.state_dict(), buffer)
    buffer.seek(0)
    ours.load_state_dict(lampas.load(buffer))
    back = io.BytesIO()
    lampas.save(ours.state_dict(), back)
    back.seek(0)
    same(theirs.state_dict(), torch.load(back, weights_only=True))


def test_whole_module_of_theirs():
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
    buffer = io.BytesIO()
    torch.save(theirs, buffer)
    buffer.seek(0)
    ours = lampas.load(buffer, weights_only=False)
    assert type(ours) is lampas.nn.Sequential and type(ours[0]) is lampas.nn.Linear
    found, expected = ours(lampas.ones(1, 3)).tolist()[0], theirs(torch.ones(1, 3)).tolist()[0]
    assert found == pytest.approx(expected, abs=1e-6)
    same(theirs.state_dict(), ours.state_dict())
