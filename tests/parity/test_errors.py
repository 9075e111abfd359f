"""What bad input gets: PyTorch's exception type, a message that names what was given, and nothing corrupted."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import lampas  # noqa: E402

from . import comparing  # noqa: E402
from .comparing import Raised, Samples, names_it, outcome, same, same_error, same_outcome  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def full_text(error: BaseException) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def says(text: str, *words: str) -> None:
    if comparing.STRICT:
        for word in words:
            assert names_it(text, word), f"does not name {word!r}: {text}"


CALLS: dict[str, tuple[type[BaseException], Callable[[Any], Any], tuple[str, ...]]] = {
    # shapes that do not fit
    "add": (RuntimeError, lambda t: t.ones(3, 4) + t.ones(3, 5), ("4", "5")),
    "matmul": (RuntimeError, lambda t: t.ones(3, 4) @ t.ones(5, 6), ("3", "4", "5", "6")),
    "bmm": (RuntimeError, lambda t: t.bmm(t.ones(2, 3, 4), t.ones(3, 4, 5)), ("2", "3")),
    "cat": (RuntimeError, lambda t: t.cat([t.ones(2, 3), t.ones(2, 4)]), ("3", "4")),
    "stack": (RuntimeError, lambda t: t.stack([t.ones(2), t.ones(3)]), ("2", "3")),
    "reshape": (RuntimeError, lambda t: t.ones(3, 4).reshape(5, 3), ("12", "5", "3")),
    "expand": (RuntimeError, lambda t: t.ones(3).expand(4), ("3", "4")),
    "linear": (RuntimeError, lambda t: t.nn.Linear(4, 2)(t.ones(3, 5)), ("5", "4")),
    "conv2d": (RuntimeError, lambda t: t.nn.Conv2d(3, 8, 3)(t.ones(1, 1, 8, 8)), ("3", "1")),
    "conv2d too small": (RuntimeError, lambda t: t.nn.Conv2d(1, 8, 5)(t.ones(1, 1, 3, 3)), ("5", "3")),
    "batch norm": (RuntimeError, lambda t: t.nn.BatchNorm2d(3)(t.ones(1, 4, 2, 2)), ("3", "4")),
    "batch norm of 3 dims": (ValueError, lambda t: t.nn.BatchNorm2d(3)(t.ones(1, 3, 2)), ("3", "4")),
    "layer norm": (RuntimeError, lambda t: t.nn.LayerNorm(4)(t.ones(2, 5)), ("4", "5")),
    "lstm": (RuntimeError, lambda t: t.nn.LSTM(4, 2)(t.ones(3, 1, 5)), ("4", "5")),
    "mse_loss": (RuntimeError, lambda t: t.nn.functional.mse_loss(t.ones(3), t.ones(4)), ("3", "4")),
    "cross_entropy batch": (
        ValueError,
        lambda t: t.nn.functional.cross_entropy(t.ones(3, 2), t.zeros(4, dtype=t.int64)),
        ("3", "4"),
    ),
    "assignment": (RuntimeError, lambda t: t.ones(3).__setitem__(slice(None), t.ones(4)), ("3", "4")),
    "view of incompatible strides": (RuntimeError, lambda t: t.ones(3, 4).t().view(12), ()),
    # dtype and device
    "matmul of two dtypes": (RuntimeError, lambda t: t.ones(2, 2) @ t.ones(2, 2, dtype=t.float64), ()),
    "linear of integers": (RuntimeError, lambda t: t.nn.Linear(2, 2)(t.ones(2, 2, dtype=t.int64)), ()),
    "integer mean": (RuntimeError, lambda t: t.ones(3, dtype=t.int64).mean(), ()),
    "integer result in place": (RuntimeError, lambda t: t.ones(3, dtype=t.int64).add_(1.5), ()),
    "embedding of floats": (RuntimeError, lambda t: t.nn.Embedding(3, 2)(t.ones(2)), ()),
    "float index": (IndexError, lambda t: t.ones(3)[t.ones(2)], ()),
    "bool minus": (RuntimeError, lambda t: t.tensor([True]) - t.tensor([True]), ()),
    "unknown device": (RuntimeError, lambda t: t.ones(2, device="nonsense"), ("nonsense",)),
    "cuda that is not there": ((RuntimeError, AssertionError), lambda t: t.ones(2).to("cuda"), ()),
    "dtype that is none": (TypeError, lambda t: t.ones(2, dtype="float32"), ()),
    "meta item": (RuntimeError, lambda t: t.ones(1, device="meta").item(), ()),
    # indices
    "index": (IndexError, lambda t: t.ones(3)[3], ("3",)),
    "negative index": (IndexError, lambda t: t.ones(3)[-4], ("-4", "3")),
    "too many indices": (IndexError, lambda t: t.ones(3)[0, 0], ("1",)),
    "index tensor": (IndexError, lambda t: t.ones(3)[t.tensor([5])], ("5", "3")),
    "mask": (IndexError, lambda t: t.ones(3)[t.tensor([True])], ("1", "3")),
    "dim": (IndexError, lambda t: t.ones(3).sum(1), ("1",)),
    "gather": (RuntimeError, lambda t: t.ones(3).gather(0, t.tensor([7])), ("7", "3")),
    "embedding": (IndexError, lambda t: t.nn.Embedding(3, 2)(t.tensor([3])), ()),
    "class index": (IndexError, lambda t: t.nn.functional.cross_entropy(t.ones(2, 3), t.tensor([0, 3])), ("3",)),
    "negative class index": (
        IndexError,
        lambda t: t.nn.functional.cross_entropy(t.ones(2, 3), t.tensor([0, -1])),
        ("-1",),
    ),
    # item, bool
    "item of many": (RuntimeError, lambda t: t.ones(3).item(), ("3",)),
    "item of none": (RuntimeError, lambda t: t.ones(0).item(), ("0",)),
    "truth of many": (RuntimeError, lambda t: bool(t.ones(3)), ()),
    # sizes
    "negative dimension": (RuntimeError, lambda t: t.zeros(2, -3), ("-3",)),
    "negative dimension of randn": (RuntimeError, lambda t: t.randn(-1), ("-1",)),
    "negative dimension of empty": (RuntimeError, lambda t: t.empty(-5), ("-5",)),
    "negative step": (ValueError, lambda t: t.ones(3)[::-1], ()),
    "ten terabytes": (RuntimeError, lambda t: t.empty(10 * 2**40 // 4, dtype=t.float32).fill_(1), ()),
    "more bytes than numbers": (RuntimeError, lambda t: t.empty(2**62, 2**10), ()),
    "ten terabytes by expansion": (RuntimeError, lambda t: t.ones(1).expand(10 * 2**40 // 4).contiguous(), ()),
    # arguments
    "unknown argument": (TypeError, lambda t: t.ones(2).sum(axes=1), ()),
    "missing argument": (TypeError, lambda t: t.cat(), ()),
    "unknown function": (AttributeError, lambda t: t.no_such_function, ("no_such_function",)),
    "unknown method": (AttributeError, lambda t: t.ones(1).no_such_method, ("no_such_method",)),
    "ragged list": (ValueError, lambda t: t.tensor([[1, 2], [3]]), ("1", "2")),
    "a string": ((TypeError, ValueError, RuntimeError), lambda t: t.tensor("abc"), ()),
    "dropout of 1.5": (ValueError, lambda t: t.nn.Dropout(1.5), ("1.5",)),
    "learning rate": (ValueError, lambda t: t.optim.SGD([t.ones(1, requires_grad=True)], lr=-1.0), ("-1.0",)),
    "optimizer of nothing": (ValueError, lambda t: t.optim.SGD([], lr=0.1), ()),
    "optimizer of an inner tensor": (
        ValueError,
        lambda t: t.optim.SGD([t.ones(1, requires_grad=True) * 2], lr=0.1),
        (),
    ),
    "split sizes": (RuntimeError, lambda t: t.ones(5).split([2, 2]), ("5",)),
    "random_split": (ValueError, lambda t: t.utils.data.random_split(range(5), [2, 2]), ()),
    "probability": (RuntimeError, lambda t: t.bernoulli(t.tensor([1.5])), ()),
    "deviation": (RuntimeError, lambda t: t.normal(0.0, -1.0, (2,)), ()),
    "randint bounds": (RuntimeError, lambda t: t.randint(5, 2, (3,)), ("5", "2")),
}


@pytest.mark.parametrize("name", CALLS)
def test_call(name: str) -> None:
    error, action, words = CALLS[name]
    same_error(lambda: action(lampas), lambda: action(torch), *words, error=error)


@pytest.mark.parametrize(
    "action",
    [
        lambda t, x: x.add_(t.ones(7)),
        lambda t, x: x.copy_(t.ones(7)),
        lambda t, x: x.__setitem__((0, 9), 1.0),
        lambda t, x: x.__setitem__(t.tensor([0, 9]), 5.0),
        lambda t, x: x.index_add_(0, t.tensor([0, 9]), t.ones(2, 4)),
        lambda t, x: x.scatter_(0, t.tensor([[9]]), 1.0),
        lambda t, x: x.masked_fill_(t.ones(9, dtype=t.bool), 1.0),
        lambda t, x: t.matmul(x, x, out=x),
        lambda t, x: x.resize_(-1),
        lambda t, x: x.view(5),
        lambda t, x: x.unsqueeze_(9),
    ],
    ids=[
        "add_",
        "copy_",
        "setitem",
        "setitem-tensor",
        "index_add_",
        "scatter_",
        "masked_fill_",
        "matmul-out",
        "resize_",
        "view",
        "unsqueeze_",
    ],
)
def test_a_failed_call_changes_nothing(action: Callable[[Any, Any], Any]) -> None:
    x = lampas.arange(12.0).reshape(3, 4)
    theirs = torch.arange(12.0).reshape(3, 4)
    same_error(lambda: action(lampas, x), lambda: action(torch, theirs))
    if not comparing.STRICT:  # PyTorch has written the first places, or the size, by the time it raises
        return
    assert tuple(x.shape) == (3, 4) and tuple(x.stride()) == (4, 1)
    same(x, torch.arange(12.0).reshape(3, 4))
    same(x + 1, torch.arange(1.0, 13.0).reshape(3, 4))


def test_a_failed_step_leaves_the_module_usable() -> None:
    def program(lib: Any) -> Any:
        lib.manual_seed(0)
        model = lib.nn.Sequential(lib.nn.Linear(4, 3), lib.nn.ReLU(), lib.nn.Linear(3, 2))
        failed = outcome(lambda: model(lib.ones(2, 5)))
        assert isinstance(failed, Raised)
        out = model(lib.ones(2, 4))
        out.sum().backward()
        return out.detach(), model[0].weight.grad

    same(program(lampas), program(torch))


def test_the_error_names_the_module() -> None:
    def build(lib: Any) -> Any:
        class Net(lib.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.features = lib.nn.Sequential(lib.nn.ReLU(), lib.nn.Conv2d(3, 4, 3))

            def forward(self, x: Any) -> Any:
                return self.features(x)

        return Net()

    assert isinstance(outcome(lambda: build(torch)(torch.ones(1, 1, 8, 8))), Raised)
    with pytest.raises(RuntimeError) as caught:
        build(lampas)(lampas.ones(1, 1, 8, 8))
    says(full_text(caught.value), "features.1", "Conv2d", "3", "1")


def test_the_error_says_which_in_features_would_fit() -> None:
    def build(lib: Any) -> Any:
        return lib.nn.Sequential(lib.nn.Conv2d(1, 4, 3), lib.nn.Flatten(), lib.nn.Linear(100, 10))

    assert isinstance(outcome(lambda: build(torch)(torch.ones(2, 1, 8, 8))), Raised)
    with pytest.raises(RuntimeError) as caught:
        build(lampas)(lampas.ones(2, 1, 8, 8))
    says(full_text(caught.value), "100", "144", "Linear")


def test_backward_errors_name_the_way_out() -> None:
    def freed(lib: Any) -> None:
        y = (lib.ones(3, requires_grad=True) ** 2).sum()
        y.backward()
        y.backward()

    def leaf(lib: Any) -> None:
        lib.ones(3, requires_grad=True).add_(1)

    def changed(lib: Any) -> None:
        y = lib.ones(3, requires_grad=True).exp()
        y.mul_(2)
        y.sum().backward()

    same_error(lambda: freed(lampas), lambda: freed(torch), "retain_graph", error=RuntimeError)
    same_error(lambda: leaf(lampas), lambda: leaf(torch), "leaf", error=RuntimeError)
    same_error(
        lambda: changed(lampas),
        lambda: changed(torch),
        "inplace" if not comparing.STRICT else "version",
        error=RuntimeError,
    )


# ---------------------------------------------------------------- state dicts


STATE_DICTS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "missing key": lambda lib, state: state.pop("0.weight"),
    "two missing keys": lambda lib, state: (state.pop("0.weight"), state.pop("2.bias")),
    "unexpected key": lambda lib, state: state.update(extra=lib.ones(1)),
    "both": lambda lib, state: (state.pop("2.weight"), state.update({"3.weight": lib.ones(1)})),
    "size": lambda lib, state: state.update({"0.weight": lib.ones(3, 5)}),
    "no tensor": lambda lib, state: state.update({"0.bias": "x"}),
}


@pytest.mark.parametrize("name", STATE_DICTS)
def test_state_dict_errors_have_the_same_text(name: str) -> None:
    def program(lib: Any) -> Any:
        model = lib.nn.Sequential(lib.nn.Linear(4, 3), lib.nn.ReLU(), lib.nn.Linear(3, 2))
        state = dict(model.state_dict())
        STATE_DICTS[name](lib, state)
        return model.load_state_dict(state)

    expected, got = outcome(lambda: program(torch)), outcome(lambda: program(lampas))
    assert isinstance(expected, Raised) and isinstance(got, Raised)
    assert type(got.error) is type(expected.error)
    assert str(got.error).replace("lampas", "torch") == str(expected.error)


# ---------------------------------------------------------------- checkpoints


LOAD_ERRORS = (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, pickle.UnpicklingError)


def saved(lib: Any) -> bytes:
    file = io.BytesIO()
    lib.save({"weight": lib.arange(1000.0), "step": 3, "names": ["a", "b"]}, file)
    return file.getvalue()


def load(lib: Any, data: bytes) -> Any:
    return lib.load(io.BytesIO(data))


def test_a_whole_checkpoint_loads() -> None:
    same(load(lampas, saved(torch)), load(torch, saved(torch)))
    same(load(lampas, saved(lampas)), load(torch, saved(lampas)))


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_truncated_checkpoint(part: float, tmp_path: Path) -> None:
    data = saved(torch)
    path = tmp_path / "cut.pt"
    path.write_bytes(data[: int(len(data) * part)])
    expected = outcome(lambda: torch.load(path))
    assert isinstance(expected, Raised)
    with pytest.raises((RuntimeError, EOFError, OSError, pickle.UnpicklingError)) as caught:
        lampas.load(path)
    if comparing.STRICT:
        assert "cut.pt" in full_text(caught.value), "the message does not name the file"


def test_corrupted_checkpoint_is_never_taken_for_a_good_one() -> None:
    data = saved(torch)
    good = torch.load(io.BytesIO(data))
    with Samples() as samples:
        for place in range(0, len(data), max(1, len(data) // 150)):
            broken = bytearray(data)
            broken[place] ^= 0xFF
            with samples.sample(f"byte {place} of {len(data)}"):
                got = outcome(lambda: load(lampas, bytes(broken)))  # noqa: B023
                if isinstance(got, Raised):
                    assert isinstance(got.error, LOAD_ERRORS), str(got)
                elif comparing.STRICT:
                    same(got, good)


def rewritten(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """The archive with one record replaced."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info.filename, change(content) if info.filename.endswith(name) else content)
    return result.getvalue()


def test_storage_shorter_than_the_tensor_says() -> None:
    broken = rewritten(saved(torch), "data/0", lambda content: content[:40])
    assert isinstance(outcome(lambda: load(torch, broken)), Raised)
    with pytest.raises((RuntimeError, ValueError)):
        load(lampas, broken)


class Hostile:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("form", ["archive", "bare pickle"])
def test_hostile_checkpoint_runs_nothing(form: str, tmp_path: Path) -> None:
    target = tmp_path / "made-by-the-checkpoint"
    attack = pickle.dumps(Hostile(str(target)), protocol=2)
    data = rewritten(saved(torch), "data.pkl", lambda _: attack) if form == "archive" else attack
    expected = outcome(lambda: load(torch, data))
    assert isinstance(expected, Raised) and not target.exists()
    got = outcome(lambda: load(lampas, data))
    assert isinstance(got, Raised) and not target.exists()
    assert type(got.error) is type(expected.error)
    says(full_text(got.error), "mkdir")


def test_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    same_error(
        lambda: lampas.load(tmp_path / "none.pt"),
        lambda: torch.load(tmp_path / "none.pt"),
        "none.pt",
        error=FileNotFoundError,
    )


def test_failed_save_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    lampas.save({"a": lampas.ones(2)}, path)
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        lampas.save({"a": lambda: 1}, path)
    if comparing.STRICT:  # PyTorch writes into the file itself
        same(lampas.load(path), {"a": torch.ones(2)})


# ---------------------------------------------------------------- zero-size tensors everywhere


EMPTY: dict[str, Callable[[Any], Any]] = {
    "arithmetic": lambda t: (t.zeros(0, 3) + t.ones(3)) * 2,
    "sum": lambda t: [t.zeros(0).sum(), t.zeros(0, 3).sum(0), t.zeros(0, 3).sum(1), t.zeros(0).prod()],
    "mean": lambda t: [t.zeros(0).mean(), t.zeros(0, 3).mean(0)],
    "max": lambda t: t.zeros(0).max(),
    "max of dim": lambda t: t.zeros(0, 3).max(1),
    "max of the empty dim": lambda t: t.zeros(0, 3).max(0),
    "argmax": lambda t: t.zeros(0).argmax(),
    "std": lambda t: t.zeros(0).std(),
    "matmul": lambda t: [t.zeros(0, 3) @ t.ones(3, 2), t.zeros(2, 0) @ t.zeros(0, 3)],
    "linear": lambda t: t.nn.functional.linear(t.zeros(0, 3), t.ones(2, 3), t.ones(2)),
    "conv": lambda t: t.nn.functional.conv2d(t.zeros(0, 1, 5, 5), t.ones(2, 1, 3, 3)),
    "pool": lambda t: t.nn.functional.max_pool2d(t.zeros(0, 1, 4, 4), 2),
    "batch norm": lambda t: t.nn.functional.batch_norm(t.zeros(0, 2, 3), t.zeros(2), t.ones(2)),
    "layer norm": lambda t: t.nn.functional.layer_norm(t.zeros(0, 4), (4,)),
    "softmax": lambda t: [t.zeros(0, 3).softmax(1), t.zeros(3, 0).softmax(1)],
    "cross_entropy": lambda t: t.nn.functional.cross_entropy(t.zeros(0, 3), t.zeros(0, dtype=t.int64)),
    "embedding": lambda t: t.nn.functional.embedding(t.zeros(0, dtype=t.int64), t.ones(3, 2)),
    "lstm": lambda t: t.nn.LSTM(2, 3)(t.zeros(0, 1, 2)),
    "cat": lambda t: t.cat([t.zeros(0), t.ones(2), t.zeros(0)]),
    "sort": lambda t: [*t.zeros(0).sort(), *t.zeros(0, 3).topk(0, 0), t.zeros(0).unique()],
    "index": lambda t: [t.ones(3)[t.zeros(0, dtype=t.int64)], t.ones(3)[[]], t.zeros(0)[:5], t.ones(3, 0)[1]],
    "nonzero": lambda t: t.zeros(0, 3).nonzero(),
    "views": lambda t: [
        t.zeros(0, 3).t(),
        t.zeros(0, 3).view(3, 0),
        t.zeros(2, 0).flatten(),
        t.zeros(0).unsqueeze(0),
        *t.zeros(0, 2).split(1),
    ],
    "conversions": lambda t: [
        t.zeros(0).tolist(),
        t.zeros(2, 0).tolist(),
        t.zeros(0).numpy().shape,
        repr(t.zeros(0)),
        repr(t.zeros(0, 3)),
        t.tensor([]),
        t.tensor([[]]),
    ],
    "any and all": lambda t: [t.zeros(0).any(), t.zeros(0).all()],
    "cumsum": lambda t: t.zeros(0, 3).cumsum(0),
    "random": lambda t: [t.randn(0), t.randperm(0), t.rand(0, 3), t.zeros(0).uniform_()],
    "arange": lambda t: [t.arange(0), t.linspace(0, 1, 0), t.eye(0)],
    "copies": lambda t: [
        t.zeros(0).clone(),
        t.zeros(0).to(t.float64),
        t.zeros(0).contiguous(),
        t.zeros(0).copy_(t.zeros(0)),
        t.zeros(0).fill_(1),
    ],
    "einsum": lambda t: t.einsum("ij,jk->ik", t.zeros(2, 0), t.zeros(0, 3)),
    "attention": lambda t: t.nn.functional.scaled_dot_product_attention(
        t.zeros(0, 2, 3), t.zeros(0, 2, 3), t.zeros(0, 2, 3)
    ),
    "interpolate": lambda t: t.nn.functional.interpolate(t.zeros(0, 1, 4, 4), scale_factor=2),
    "backward": lambda t: (lambda x: ((x @ t.ones(3, 2)).relu().sum().backward(), x.grad)[1])(
        t.zeros(0, 3, requires_grad=True)
    ),
    "bool": lambda t: bool(t.zeros(0)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_zero_size(name: str) -> None:
    same_outcome(lambda: EMPTY[name](lampas), lambda: EMPTY[name](torch), name)
