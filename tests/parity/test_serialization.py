"""Files written by PyTorch are read here, and the other way round."""

import importlib
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict

import pytest

import lampas
from lampas.utils import safetensors

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


# --- whole objects --------------------------------------------------------------------------------------------------


def across(obj, source, target, **options):
    """``obj``, written by one library and read by the other."""
    buffer = io.BytesIO()
    source.save(obj, buffer, **options)
    buffer.seek(0)
    return target.load(buffer, weights_only=False)


def network(library):
    library.manual_seed(0)
    nn = library.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(16, 3),
        nn.LayerNorm(3),
    )


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=str)
@pytest.mark.parametrize("source, target", [(torch, lampas), (lampas, torch)], ids=["theirs", "ours"])
def test_whole_modules(source, target, options):
    made = network(source)
    loaded = across(made, source, target, **options)
    assert type(loaded) is target.nn.Sequential and repr(loaded) == repr(made)
    values = [[[[float(i * j % 5) for i in range(4)] for j in range(4)]]]
    made.eval(), loaded.eval()
    found, wanted = loaded(target.tensor(values)).flatten().tolist(), made(source.tensor(values)).flatten().tolist()
    assert found == pytest.approx(wanted, abs=1e-5)
    loaded.train()
    loaded(target.ones(2, 1, 4, 4)).sum().backward()
    same(list(made.state_dict()), list(loaded.state_dict()))


@pytest.mark.parametrize("source, target", [(torch, lampas), (lampas, torch)], ids=["theirs", "ours"])
def test_recurrent_and_attention_modules(source, target):
    for make in (lambda nn: nn.LSTM(3, 4, 2), lambda nn: nn.Embedding(5, 3), lambda nn: nn.MultiheadAttention(4, 2)):
        made = make(source.nn)
        loaded = across(made, source, target)
        assert type(loaded).__name__ == type(made).__name__ and repr(loaded) == repr(made)
        same(dict(made.state_dict()), dict(loaded.state_dict()))


@pytest.mark.parametrize("source, target", [(torch, lampas), (lampas, torch)], ids=["theirs", "ours"])
def test_checkpoint_of_a_training(source, target):
    """Model, optimizer and scheduler go on in the other library where they were."""

    def training(library):
        model = network(library).eval()
        optimizer = library.optim.AdamW(model.parameters(), lr=0.01, amsgrad=True)
        return model, optimizer, library.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)

    def step(library, model, optimizer, scheduler):
        optimizer.zero_grad()
        x = library.arange(32.0).reshape(2, 1, 4, 4) / 32
        loss = (model(x) - library.ones(2, 3)).square().mean()
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss.item()

    parts = training(source)
    for _ in range(3):
        step(source, *parts)
    buffer = io.BytesIO()
    source.save([part.state_dict() for part in parts], buffer)
    buffer.seek(0)
    others = training(target)
    for part, state in zip(others, target.load(buffer, weights_only=True), strict=True):
        part.load_state_dict(state)
    for _ in range(3):
        assert step(target, *others) == pytest.approx(step(source, *parts), rel=1e-4)
    assert others[2].get_last_lr() == parts[2].get_last_lr()


@pytest.mark.parametrize("source, target", [(torch, lampas), (lampas, torch)], ids=["theirs", "ours"])
def test_whole_optimizers_and_schedulers(source, target):
    weight = source.nn.Parameter(source.ones(3))
    optimizer = source.optim.SGD([weight], lr=0.1, momentum=0.9)
    scheduler = source.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    (weight * 2).sum().backward()
    optimizer.step()
    scheduler.step()
    other = across(optimizer, source, target)
    assert type(other) is target.optim.SGD and other.param_groups[0]["lr"] == 0.05
    held = other.param_groups[0]["params"][0]
    assert isinstance(held, target.nn.Parameter) and other.state[held]["momentum_buffer"].tolist() == [2, 2, 2]
    (held * 2).sum().backward()
    other.step()


@pytest.mark.parametrize("source, target", [(torch, lampas), (lampas, torch)], ids=["theirs", "ours"])
def test_generators(source, target):
    source.manual_seed(5)
    source.rand(7)
    own = source.Generator().manual_seed(9)
    states = across([source.get_rng_state(), own.get_state()], source, target)
    target.set_rng_state(states[0])
    other = target.Generator()
    other.set_state(states[1])
    assert target.rand(5).tolist() == source.rand(5).tolist()
    assert target.rand(5, generator=other).tolist() == source.rand(5, generator=own).tolist()


class Box:
    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize("source, target", [(torch, lampas), (lampas, torch)], ids=["theirs", "ours"])
def test_classes_of_the_program(source, target):
    loaded = across({"box": Box(source.ones(2)), "set": {1, (2, 3)}}, source, target)
    assert type(loaded["box"]) is Box and loaded["box"].value.tolist() == [1, 1] and loaded["set"] == {1, (2, 3)}
    buffer = io.BytesIO()
    source.save(Box(source.ones(2)), buffer)
    before = {library: library.serialization.get_safe_globals() for library in (source, target)}
    for library in (source, target):
        buffer.seek(0)
        with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL \S*Box was not an allowed global by default"):
            library.load(buffer)
        buffer.seek(0)
        assert [n.rpartition(".")[2] for n in library.serialization.get_unsafe_globals_in_checkpoint(buffer)] == ["Box"]
        buffer.seek(0)
        with library.serialization.safe_globals([Box]):
            assert library.load(buffer).value.tolist() == [1, 1]
        assert set(library.serialization.get_safe_globals()) == set(before[library])


@pytest.mark.parametrize("source, target", [(torch, lampas), (lampas, torch)], ids=["theirs", "ours"])
def test_classes_of_the_library(source, target):
    """What the allow-list names as ``nn.Linear`` is the same class in both."""
    buffer = io.BytesIO()
    source.save(source.nn.Linear(2, 2), buffer)
    buffer.seek(0)
    allowed = [target.nn.Linear, set] if target is torch else [target.nn.Linear]
    with target.serialization.safe_globals(allowed):
        assert type(target.load(buffer)) is target.nn.Linear


def test_names_of_classes():
    """A class is written under the name that PyTorch itself would write."""
    from lampas.serialization.names import torch_name

    checked = 0
    for space in ("nn", "optim", "optim.lr_scheduler"):
        ours, theirs = (importlib.import_module(f"{library.__name__}.{space}") for library in (lampas, torch))
        for name in dir(ours):
            own, other = getattr(ours, name), getattr(theirs, name, None)
            if isinstance(own, type) and isinstance(other, type) and own.__module__.startswith("lampas"):
                wanted = other.__module__, other.__qualname__.removeprefix("_" if name == "_LRScheduler" else "")
                assert torch_name(own) == wanted, name
                checked += 1
    assert checked > 150


def test_conjugates_and_negatives():
    z = torch.tensor([1 + 2j, 3 - 1j])
    theirs = [z.conj(), z.conj()[:1].expand(3)]
    assert theirs[0].is_conj() and z.conj().imag.is_neg()
    ours = [*across(theirs, torch, lampas), across(z.conj().imag, torch, lampas)]
    assert [t.tolist() for t in ours] == [t.tolist() for t in [*theirs, z.conj().imag]]


def test_dtypes_that_are_not_here():
    for name in ("uint16", "float8_e5m2"):
        if hasattr(lampas, name):
            continue
        buffer = io.BytesIO()
        torch.save(torch.zeros(2, dtype=getattr(torch, name)), buffer)
        buffer.seek(0)
        with pytest.raises(pickle.UnpicklingError, match=f"dtype torch.{name}, which lampas does not have"):
            lampas.load(buffer)


def test_formats_of_the_first_years(tmp_path):
    """The files that our own tests make up are such as PyTorch reads."""
    from tests.test_serialization_options import file_with_view, tar_file

    for name, content in (("tar.pt", tar_file()), ("view.pt", file_with_view())):
        (tmp_path / name).write_bytes(content)
        theirs, ours = (library.load(tmp_path / name, weights_only=False) for library in (torch, lampas))
        same(theirs, ours)
        if name == "tar.pt":
            with pytest.raises(RuntimeError, match="Cannot use ``weights_only=True``"):
                torch.load(tmp_path / name)


def test_settings_are_the_same():
    ours, theirs = lampas.serialization, torch.serialization
    assert {e.name: e.value for e in ours.LoadEndianness} == {e.name: e.value for e in theirs.LoadEndianness}
    assert ours.get_default_mmap_options() == theirs.get_default_mmap_options()
    assert ours.get_crc32_options() == theirs.get_crc32_options()
    our_config, their_config = (settings_of(library) for library in (lampas, torch))
    for name in ("load", "save"):
        for key in [k for k in their_config._config if k.startswith(f"{name}.")]:
            key = key.split(".")[1]
            assert getattr(getattr(our_config, name), key) == getattr(getattr(their_config, name), key)


def settings_of(library):
    return importlib.import_module(f"{library.__name__}.utils.serialization.config")


def test_skipped_data():
    for source, target in ((torch, lampas), (lampas, torch)):
        buffer = io.BytesIO()
        with source.serialization.skip_data():
            source.save({"a": source.ones(3), "b": source.ones(2, 2)}, buffer)
        buffer.seek(0)
        loaded = target.load(buffer)
        assert loaded["a"].tolist() == [0, 0, 0] and loaded["b"].shape == (2, 2)


def test_without_checksums():
    for source, target in ((torch, lampas), (lampas, torch)):
        buffer = io.BytesIO()
        with settings_of(source).patch("save.compute_crc32", False):
            source.save(source.ones(3), buffer)
        buffer.seek(0)
        assert target.load(buffer).tolist() == [1, 1, 1]


# --- safetensors ----------------------------------------------------------------------------------------------------


def plain(library):
    names = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
    made = {f"{name} é": library.arange(6).reshape(2, 3).to(getattr(library, name)) for name in [*names, "complex64"]}
    return {**made, "scalar": library.tensor(2.5), "empty": library.zeros(0, 3), 'quote"\\': library.ones(1)}


class TestSafetensors:
    def test_the_same_bytes(self):
        package = pytest.importorskip("safetensors.torch")
        for metadata in (None, {}, {"format": "pt"}):
            assert safetensors.save(plain(lampas), metadata) == package.save(plain(torch), metadata)

    def test_both_ways(self, tmp_path):
        package = pytest.importorskip("safetensors.torch")
        safetensors.save_file(plain(lampas), tmp_path / "ours.safetensors", {"who": "we"})
        package.save_file(plain(torch), tmp_path / "theirs.safetensors", {"who": "they"})
        order = sorted(plain(torch))
        for name in ("ours", "theirs"):
            path = tmp_path / f"{name}.safetensors"
            ours, theirs = safetensors.load_file(path), package.load_file(path)
            same({key: theirs[key] for key in order}, {key: ours[key] for key in order})
            same({key: torch.load(path)[key] for key in order}, {key: lampas.load(path)[key] for key in order})
            with safetensors.safe_open(path, "pt") as a, package.safe_open(path, "pt") as b:
                assert (a.keys(), a.offset_keys(), a.metadata()) == (b.keys(), b.offset_keys(), b.metadata())
                one, other = a.get_slice("float32 é"), b.get_slice("float32 é")
                assert (one.get_shape(), one.get_dtype()) == (other.get_shape(), other.get_dtype())
                same(other[:, 1:].contiguous(), one[:, 1:])

    def test_modules(self, tmp_path):
        package = pytest.importorskip("safetensors.torch")

        def tied(library):
            library.manual_seed(0)
            made = library.nn.Sequential(library.nn.Linear(3, 3), library.nn.BatchNorm1d(3), library.nn.Linear(3, 3))
            made[2].weight = made[0].weight
            return made

        safetensors.save_model(tied(lampas), tmp_path / "ours", {"who": "we"})
        package.save_model(tied(torch), tmp_path / "theirs", {"who": "we"})
        ours, theirs = tied(lampas), tied(torch)
        assert safetensors.load_model(ours, tmp_path / "theirs") == package.load_model(theirs, tmp_path / "ours")
        with safetensors.safe_open(tmp_path / "ours") as a, safetensors.safe_open(tmp_path / "theirs") as b:
            assert a.keys() == b.keys() and a.metadata() == b.metadata()

    def test_refusals(self):
        package = pytest.importorskip("safetensors.torch")

        def cases(library):
            t = library.ones(4)
            return [[t], {"a": 1}, {"a": t, "b": t}, {"a": t, "b": t[2:]}, {"a": library.ones(2, 3).t()}]

        for ours, theirs in zip(cases(lampas), cases(torch), strict=True):
            with pytest.raises((ValueError, RuntimeError)) as wanted:
                package.save(theirs)
            with pytest.raises(wanted.type):
                safetensors.save(ours)
        t, u = lampas.arange(6.0), torch.arange(6.0)
        assert safetensors.save({"a": t[:3], "b": t[3:]}) == package.save({"a": u[:3], "b": u[3:]})

    def test_the_package_under_the_alias(self, tmp_path):
        """A program that imports torch and safetensors.torch runs as it is."""
        pytest.importorskip("safetensors.torch")
        script = tmp_path / "program.py"
        script.write_text(PROGRAM)
        package = os.path.dirname(os.path.dirname(lampas.__file__))
        environment = {**os.environ, "PYTHONPATH": package}
        done = [
            subprocess.run(
                [sys.executable, *how, script], capture_output=True, text=True, env=environment, cwd=tmp_path
            )
            for how in ([], ["-m", "lampas"])
        ]
        assert [d.returncode for d in done] == [0, 0], done[1].stderr
        assert done[0].stdout.replace("torch is torch", "torch is lampas") == done[1].stdout


PROGRAM = """
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, load_model, save, save_file, save_model

print("torch is", torch.ones(1).__class__.__module__ and torch.__name__)
names = ["bool", "uint8", "int64", "float16", "bfloat16", "float32", "float64"]
tensors = {name: torch.arange(6).reshape(2, 3).to(getattr(torch, name)) for name in names}
tensors.update(scalar=torch.tensor(2.5), empty=torch.zeros(0, 3))
save_file(tensors, "a.safetensors", metadata={"format": "pt"})
loaded = load_file("a.safetensors", device="cpu")
for name in sorted(loaded):
    print(name, loaded[name], torch.equal(loaded[name], tensors[name]))
with safe_open("a.safetensors", framework="pt", device="cpu") as file:
    print(file.keys(), file.metadata(), file.get_tensor("float32"))
    part = file.get_slice("float32")
    print(part.get_shape(), part.get_dtype(), part[:, 1:2], part[0], part[1:, ::1])
print(sorted(load(save(tensors))))
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 2))
model.append(model[0])
save_model(model, "m.safetensors", metadata={"who": "we"})
print(load_model(model, "m.safetensors"), torch.load("m.safetensors").keys() == load_file("m.safetensors").keys())
for bad in ({"a": tensors["float32"], "b": tensors["float32"][0]}, {"a": tensors["float32"].t()}, [1], {"a": 1}):
    try:
        save_file(bad, "b.safetensors")
    except Exception as error:
        print(type(error).__name__, str(error).strip().split(":")[0])
try:
    load(b"nonsense" * 4)
except Exception as error:
    print(type(error).__name__, error)
"""
