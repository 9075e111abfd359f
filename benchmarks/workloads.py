"""What is measured: each workload is one function, written once, that gets lampas or PyTorch as `torch`.

The function prepares its data and returns the step to be timed: a callable, or, where the price of calling it would
count, a pair of a statement and the names it uses. A step should return a tensor or a number: both libraries draw the
same random numbers, so their first results must agree, and the harness says so if they do not.

To add one, write the function and decorate it; its docstring is what the tables say about it.
"""

from dataclasses import dataclass
from typing import Any

from models import gpt, resnet18, tutorial_cnn


@dataclass(frozen=True)
class Workload:
    name: str
    about: str
    prepare: Any  # called with the library; None for what is measured of the library itself
    measures: str  # "step", "import" (seconds, in a fresh process) or "size" (bytes)
    goal: float | None  # how many times faster (smaller) than PyTorch
    at_most: float | None  # seconds or bytes


WORKLOADS: dict[str, Workload] = {}


def workload(goal=None, at_most=None):
    def register(prepare):
        WORKLOADS[prepare.__name__] = Workload(prepare.__name__, prepare.__doc__, prepare, "step", goal, at_most)
        return prepare

    return register


WORKLOADS["import"] = Workload("import", "import of the library, files cached", None, "import", 8, None)
WORKLOADS["size"] = Workload("size", "the installed package without what it depends on", None, "size", None, 120e6)


# ---- small: what a call costs ----


@workload(goal=3.5, at_most=300e-9)
def add4(torch):
    """a + b, 4 elements"""
    return "a + b", {"a": torch.rand(4), "b": torch.rand(4)}


def chain(torch, length):
    x, b = torch.rand(4, requires_grad=True), torch.rand(4)

    def step():
        y = x
        for _ in range(length):
            y = torch.tanh(y * b)
        x.grad = None
        y.sum().backward()
        return x.grad

    return step


@workload(goal=2.5)
def chain20(torch):
    """20 ops in a chain, 10 × tanh(x · b), forward and backward, 4 elements"""
    return chain(torch, 10)


@workload()
def micro_autograd(torch):
    """20 × tanh(x · b), forward and backward, 4 elements"""
    return chain(torch, 20)


# ---- training and inference steps ----


def training(torch, model, optimizer, loss_of, *data, autocast=False):
    """The usual step: forward, loss, zero_grad, backward, step."""

    def step():
        if autocast:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = loss_of(model, *data)
        else:
            loss = loss_of(model, *data)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def without_gradients(torch, function):
    def step():
        with torch.no_grad():
            return function()

    return step


def classification(torch):
    return lambda model, images, labels: torch.nn.functional.cross_entropy(model(images), labels)


@workload(goal=4)
def tiny_mlp(torch):
    """Linear(10, 5), ReLU, Linear(5, 5), batch 3, Adam: a training step"""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 5))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return training(torch, model, optimizer, classification(torch), torch.rand(3, 10), torch.tensor([0, 2, 4]))


@workload(goal=4)
def tutorial_loop(torch):
    """an epoch over 1,000 × 10 with DataLoader (batch 32), BCELoss, Adam and .item() each step"""
    nn = torch.nn
    dataset = torch.utils.data.TensorDataset(torch.randn(1000, 10), torch.randint(0, 2, (1000, 1)).float())
    loader = torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True)
    model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch():
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total

    return epoch


@workload()
def mlp_mnist(torch):
    """784-128-10, batch 64, SGD: a training step"""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    data = torch.rand(64, 784), torch.randint(0, 10, (64,))
    return training(torch, model, optimizer, classification(torch), *data)


@workload(goal=1.5)
def cnn_mnist(torch):
    """the tutorials' CNN, 1-32-64-128, on 28 × 28, batch 64, Adam: a training step"""
    model = tutorial_cnn(torch)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    data = torch.rand(64, 1, 28, 28), torch.randint(0, 10, (64,))
    return training(torch, model, optimizer, classification(torch), *data)


@workload(goal=1.5)
def resnet18_train(torch):
    """ResNet-18 on 32 × 32, batch 16, SGD with momentum: a training step"""
    model = resnet18(torch, 10, small=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
    data = torch.rand(16, 3, 32, 32), torch.randint(0, 10, (16,))
    return training(torch, model, optimizer, classification(torch), *data)


def resnet18_inference(torch, bf16):
    model = resnet18(torch, 1000, small=False).eval()
    images = torch.rand(4, 3, 224, 224)

    def step():
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            return model(images)

    return step


@workload()
def resnet18_infer(torch):
    """ResNet-18 on 4 × 3 × 224 × 224, no gradients"""
    return resnet18_inference(torch, False)


@workload(goal=3)
def resnet18_infer_bf16(torch):
    """ResNet-18 on 4 × 3 × 224 × 224, no gradients, autocast to bfloat16"""
    return resnet18_inference(torch, True)


@workload()
def cnn_infer(torch):
    """the tutorials' CNN on 64 × 1 × 28 × 28, no gradients"""
    model, images = tutorial_cnn(torch).eval(), torch.rand(64, 1, 28, 28)
    return without_gradients(torch, lambda: model(images))


@workload()
def cnn_infer_int8(torch):
    """cnn_infer with the model quantized to int8: compare with cnn_infer"""
    import warnings

    quantization = torch.ao.quantization
    model, images = tutorial_cnn(torch).eval(), torch.rand(64, 1, 28, 28)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch: this way of quantizing is deprecated
        model = quantization.QuantWrapper(model)
        layers = [[f"module.{i}", f"module.{i + 1}"] for i in (0, 3, 6)]
        model = quantization.fuse_modules(model, layers)
        model.qconfig = quantization.get_default_qconfig("x86")
        prepared = quantization.prepare(model)
        prepared(images)
        quantized = quantization.convert(prepared)
    return without_gradients(torch, lambda: quantized(images))


@workload()
def lstm_train(torch):
    """LSTM of 2 layers, 64 → 256, batch 32, 32 steps, SGD: a training step"""
    model = torch.nn.LSTM(64, 256, 2, batch_first=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    return training(torch, model, optimizer, lambda m, x: m(x)[0].square().mean(), torch.rand(32, 32, 64))


def gpt_training(torch, autocast):
    model = gpt(torch, blocks=4, width=256, heads=4, length=128, symbols=256)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    text = torch.randint(0, 256, (8, 129))

    def loss_of(model, text):
        return torch.nn.functional.cross_entropy(model(text[:, :-1]).reshape(-1, 256), text[:, 1:].reshape(-1))

    return training(torch, model, optimizer, loss_of, text, autocast=autocast)


@workload()
def gpt_train(torch):
    """GPT of 4 blocks, width 256, 4 heads, 128 symbols, batch 8, AdamW: a training step"""
    return gpt_training(torch, False)


@workload(goal=1.5)
def gpt_train_bf16(torch):
    """gpt_train with autocast to bfloat16"""
    return gpt_training(torch, True)


# ---- single ops, large ----


@workload(goal=1.5)
def conv3x3(torch):
    """twice convolution 3 × 3, 64 → 64, and ReLU on 32 × 64 × 56 × 56, from plain NCHW to plain NCHW"""
    nn = torch.nn
    layers = [nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()]
    model = nn.Sequential(*layers)
    # As NumPy arrays, input and output are plain NCHW for certain: no library can keep them in an order of its own.
    images = torch.from_numpy(torch.rand(32, 64, 56, 56).numpy())

    def function():
        result = model(images)
        result.numpy()
        return result

    return without_gradients(torch, function)


@workload(goal=2)
def softmax16m(torch):
    """softmax over the rows of 4096 × 4096"""
    x = torch.randn(4096, 4096)
    return lambda: torch.softmax(x, 1)


@workload(goal=2)
def gelu16m(torch):
    """GELU of 4096 × 4096"""
    x = torch.randn(4096, 4096)
    return lambda: torch.nn.functional.gelu(x)


@workload()
def softmax_big(torch):
    """softmax over the rows of 4096 × 1024"""
    x = torch.randn(4096, 1024)
    return lambda: torch.softmax(x, 1)


@workload(goal=2.5)
def elementwise_chain(torch):
    """gelu(x) · sigmoid(x) + tanh(x), 4096 × 1024"""
    x = torch.randn(4096, 1024)
    return lambda: torch.nn.functional.gelu(x) * torch.sigmoid(x) + torch.tanh(x)


@workload()
def layernorm_train(torch):
    """layer normalisation of 2048 × 1024, forward and backward"""
    norm = torch.nn.LayerNorm(1024)
    x, weights = torch.randn(2048, 1024, requires_grad=True), torch.randn(2048, 1024)

    def step():
        x.grad = norm.weight.grad = norm.bias.grad = None
        norm(x).backward(weights)
        return x.grad

    return step


@workload()
def adam_step(torch):
    """a step of AdamW over 16 parameters of 512 × 512"""
    parameters = [torch.nn.Parameter(torch.randn(512, 512)) for _ in range(16)]
    for p in parameters:
        p.grad = torch.randn(512, 512)
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)

    def step():
        optimizer.step()
        return parameters[0]

    return step


@workload()
def matmul_1024(torch):
    """matrix product, 1024 × 1024"""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return lambda: a @ b


@workload()
def dataloader(torch):
    """an epoch of DataLoader over 20,000 rows of 10, batch 64, shuffled"""
    dataset = torch.utils.data.TensorDataset(torch.randn(20000, 10), torch.randint(0, 10, (20000,)))
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True)

    def epoch():
        for _, labels in loader:
            last = labels
        return last

    return epoch
