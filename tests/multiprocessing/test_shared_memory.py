"""Tensors in shared memory: seen by forked and by fresh processes, with their views, as long as anybody has them."""

import gc
import os

import pytest

import lampas
import lampas.multiprocessing as mp

CONTEXTS = [name for name in ("fork", "spawn") if name in mp.get_all_start_methods()]


def change(tensor, model, done):
    tensor.mul_(10)
    with lampas.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7)
    done.put([tensor.is_shared(), all(p.is_shared() for p in model.parameters()), type(model.weight).__name__])


def echo(inbox, outbox):
    tensor, part = inbox.get()
    tensor[0] = 5.0
    outbox.put(tensor.sum().item())
    part += 1
    outbox.put("done")
    inbox.get()


@pytest.mark.parametrize("context", CONTEXTS)
def test_changes_of_a_child_are_seen(context):
    base = lampas.arange(6.0)
    view = base.view(2, 3).t()
    model = lampas.nn.Linear(2, 2)
    assert not base.is_shared()
    assert base.share_memory_() is base and model.share_memory() is model
    assert base.is_shared() and view.is_shared() and model.weight.is_shared() and model.weight.requires_grad
    assert base.tolist() == [0, 1, 2, 3, 4, 5] and base.data_ptr() == view.data_ptr()
    here = mp.get_context(context)
    done = here.SimpleQueue()
    child = here.Process(target=change, args=(view, model, done))
    child.start()
    assert done.get() == [True, True, "Parameter"]
    child.join()
    assert base.tolist() == [0, 10, 20, 30, 40, 50] and view[0].tolist() == [0, 30]
    assert all(p.eq(7).all() for p in model.parameters())


@pytest.mark.parametrize("context", CONTEXTS)
def test_through_a_queue(context):
    here = mp.get_context(context)
    inbox, outbox = here.Queue(), here.Queue()
    child = here.Process(target=echo, args=(inbox, outbox))
    child.start()
    tensor = lampas.zeros(4).share_memory_()
    inbox.put((tensor, tensor[1:3]))
    assert outbox.get(timeout=60) == 5.0 and outbox.get(timeout=60) == "done"
    assert tensor.tolist() == [5, 1, 1, 0]
    inbox.put(None)
    child.join()


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storages():
    t = lampas.arange(3, dtype=lampas.int16)
    storage = t.untyped_storage()
    assert not storage.is_shared() and not t.storage().is_shared()
    assert storage.share_memory_() is storage and t.storage().share_memory_().is_shared() and t.is_shared()
    address = t.data_ptr()
    t.share_memory_()
    assert t.data_ptr() == address
    with pytest.raises(RuntimeError, match="not resizable"):
        storage.resize_(100)
    assert not t.clone().is_shared() and not lampas.ones(2).is_shared()
    assert not lampas.empty(2, device="meta").share_memory_().is_shared()
    assert lampas.zeros(0).share_memory_().is_shared()


def test_training_goes_on():
    model = lampas.nn.Linear(3, 1).share_memory()
    optimizer = lampas.optim.SGD(model.parameters(), lr=0.1)
    before = model.weight.detach().clone()
    model(lampas.ones(2, 3)).sum().backward()
    optimizer.step()
    assert model.weight.is_shared() and not model.weight.equal(before)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
def test_files_are_few_and_closed():
    def opened():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    lampas.ones(1).share_memory_()
    before = opened()
    many = [lampas.full((10,), float(i)).share_memory_() for i in range(2000)]
    large = [lampas.zeros(1 << 20).share_memory_() for _ in range(5)]
    assert opened() <= before + 14 and all(t.is_shared() for t in large)
    assert all(t.tolist() == [float(i)] * 10 for i, t in enumerate(many))
    del many, large
    assert opened() <= before + 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_parent_and_child_do_not_get_the_same_memory():
    lampas.ones(1).share_memory_()
    shared = lampas.zeros(1).share_memory_()
    child = os.fork()
    if child == 0:
        mine = lampas.full((8,), 3.0).share_memory_()
        shared.fill_(mine.sum().item())
        os._exit(0)
    os.waitpid(child, 0)
    mine = lampas.zeros(8).share_memory_()
    assert shared.item() == 24 and mine.tolist() == [0] * 8


class TestUntypedStorage:
    def test_bytes(self):
        storage = lampas.tensor([1, 2, 3], dtype=lampas.uint8).untyped_storage()
        assert storage[1] == 2 and storage.tolist() == [1, 2, 3] and storage.element_size() == 1
        assert storage.cpu() is storage and not storage.is_cuda
        part = storage[1:]
        storage[2] = 9
        assert part.tolist() == [2, 9] and storage[3:].nbytes() == 0
        copy = storage.clone()
        copy.fill_(4)
        assert storage.tolist() == [1, 2, 9] and storage.copy_(copy).tolist() == [4, 4, 4]
        storage[:2] = 1
        assert storage.tolist() == [1, 1, 4]
        with pytest.raises(RuntimeError, match="step of 2"):
            storage[::2]

    @pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
    def test_typed(self):
        storage = lampas.ones(3).storage()
        assert storage.cpu() is storage and not storage.is_cuda
        assert storage.fill_(2).tolist() == [2, 2, 2] and storage.copy_(lampas.zeros(3).storage()).tolist() == [0] * 3

    def test_file(self, tmp_path):
        path = tmp_path / "a"
        path.write_bytes(bytes(range(8)))
        own = lampas.UntypedStorage.from_file(path, False, 4)
        own.fill_(0)
        assert path.read_bytes() == bytes(range(8))
        shared = lampas.UntypedStorage.from_file(path, True, 10)
        shared[9] = 77
        assert path.read_bytes() == bytes([*range(8), 0, 77])
        with pytest.raises(RuntimeError, match="fewer than 99 bytes"):
            lampas.UntypedStorage.from_file(path, False, 99)
