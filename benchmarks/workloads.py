"""What is measured: each workload is one function, written once, that gets lampas or PyTorch as `torch`.

The function prepares its data and returns the step to be timed: a callable, or, where the price of calling it would
count, a pair of a statement and the names it uses. `compile` is what a user would put around a model or a function:
`torch.compile` in that column, and nothing at all in the others. A step should return a tensor or a number: the
libraries draw the same random numbers, so their first results must agree, and the tables say so if they do not.

To add one, write the function and decorate it; its docstring is what the tables say about it.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import costs
from .costs import TRAINING, Cost
from .models import gpt, resnet18, tutorial_cnn

Step = Callable[[], Any] | tuple[str, dict[str, Any]]
Compile = Callable[[Any], Any]
Prepare = Callable[[Any, Compile], Step]


@dataclass(frozen=True)
class Workload:
    """One thing to measure. `extra` ones run only when they are named, and count in no mean."""

    name: str
    about: str
    prepare: Prepare | None  # None for what is measured of the library itself
    measures: str  # "step" (seconds), "import" (seconds, in a fresh process) or "size" (bytes)
    goal: float | None  # how many times as fast as (smaller than) PyTorch
    at_most: float | None  # seconds or bytes
    cost: Cost | None
    extra: bool


WORKLOADS: dict[str, Workload] = {}


def workload(
    goal: float = 1.0, at_most: float | None = None, cost: Cost | None = None, extra: bool = False
) -> Callable[[Prepare], Prepare]:
    """Registers a function as the workload of its name."""

    def register(prepare: Prepare) -> Prepare:
        name, about = prepare.__name__, prepare.__doc__ or ""
        WORKLOADS[name] = Workload(name, about, prepare, "step", goal, at_most, cost, extra)
        return prepare

    return register


def plain(function: Any) -> Any:
    """The `compile` of the libraries by themselves."""
    return function


# ---- small: what a call costs ----


@workload(at_most=300e-9)
def micro_add(torch: Any, compile: Compile) -> Step:
    """a + b, 4 elements"""
    return "a + b", {"a": torch.rand(4), "b": torch.rand(4)}


def chain(torch: Any, compile: Compile, length: int) -> Step:
    x, b = torch.rand(4, requires_grad=True), torch.rand(4)

    @compile
    def forward(y: Any) -> Any:
        for _ in range(length):
            y = torch.tanh(y * b)
        return y.sum()

    def step() -> Any:
        x.grad = None
        forward(x).backward()
        return x.grad

    return step


@workload()
def micro_autograd(torch: Any, compile: Compile) -> Step:
    """20 × tanh(x · b), forward and backward, 4 elements"""
    return chain(torch, compile, 20)


# ---- training and inference steps ----


def training(
    torch: Any,
    compile: Compile,
    model: Any,
    optimizer: Any,
    loss_of: Callable[..., Any],
    *data: Any,
    autocast: bool = False,
) -> Step:
    """The usual step: forward, loss, zero_grad, backward, step."""
    model = compile(model)

    def step() -> Any:
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


def without_gradients(torch: Any, function: Callable[[], Any]) -> Step:
    def step() -> Any:
        with torch.no_grad():
            return function()

    return step


def classification(torch: Any) -> Callable[..., Any]:
    return lambda model, images, labels: torch.nn.functional.cross_entropy(model(images), labels)


@workload(goal=4, cost=Cost(TRAINING * (costs.matmul(3, 10, 5) + costs.matmul(3, 5, 5))))
def tiny_mlp(torch: Any, compile: Compile) -> Step:
    """Linear(10, 5), ReLU, Linear(5, 5), batch 3, Adam: a training step"""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 5))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    data = torch.rand(3, 10), torch.tensor([0, 2, 4])
    return training(torch, compile, model, optimizer, classification(torch), *data)


@workload(goal=4, cost=Cost(TRAINING * (costs.matmul(1000, 10, 16) + costs.matmul(1000, 16, 1))))
def tutorial_loop(torch: Any, compile: Compile) -> Step:
    """an epoch over 1,000 × 10 with DataLoader (batch 32), BCELoss, Adam and .item() each step"""
    nn = torch.nn
    dataset = torch.utils.data.TensorDataset(torch.randn(1000, 10), torch.randint(0, 2, (1000, 1)).float())
    loader = torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True)
    model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model = compile(model)

    def epoch() -> float:
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total

    return epoch


@workload(cost=Cost(TRAINING * (costs.matmul(64, 784, 128) + costs.matmul(64, 128, 10))))
def mlp_mnist(torch: Any, compile: Compile) -> Step:
    """784-128-10, batch 64, SGD: a training step"""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    data = torch.rand(64, 784), torch.randint(0, 10, (64,))
    return training(torch, compile, model, optimizer, classification(torch), *data)


@workload(goal=2, cost=Cost(TRAINING * costs.tutorial_cnn(64)))
def cnn_mnist(torch: Any, compile: Compile) -> Step:
    """3 × 3 convolutions 1-32-64-128 with pooling on 28 × 28, batch 64, Adam: a training step"""
    model = tutorial_cnn(torch)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    data = torch.rand(64, 1, 28, 28), torch.randint(0, 10, (64,))
    return training(torch, compile, model, optimizer, classification(torch), *data)


@workload(goal=1.5, cost=Cost(TRAINING * costs.resnet18(16, 10, small=True)))
def resnet18_train(torch: Any, compile: Compile) -> Step:
    """ResNet-18 on 32 × 32, batch 16, SGD with momentum: a training step"""
    model = resnet18(torch, 10, small=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
    data = torch.rand(16, 3, 32, 32), torch.randint(0, 10, (16,))
    return training(torch, compile, model, optimizer, classification(torch), *data)


def resnet18_inference(torch: Any, compile: Compile, bf16: bool) -> Step:
    model = compile(resnet18(torch, 1000, small=False).eval())
    images = torch.rand(4, 3, 224, 224)

    def step() -> Any:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            return model(images)

    return step


@workload(cost=Cost(costs.resnet18(4, 1000, small=False)))
def resnet18_infer(torch: Any, compile: Compile) -> Step:
    """ResNet-18 on 4 × 3 × 224 × 224, no gradients"""
    return resnet18_inference(torch, compile, False)


@workload(goal=3, cost=Cost(costs.resnet18(4, 1000, small=False), "bf16"))
def resnet18_infer_bf16(torch: Any, compile: Compile) -> Step:
    """ResNet-18 on 4 × 3 × 224 × 224, no gradients, autocast to bfloat16"""
    return resnet18_inference(torch, compile, True)


@workload(cost=Cost(TRAINING * costs.lstm(32, 32, [64, 256, 256])))
def lstm_train(torch: Any, compile: Compile) -> Step:
    """LSTM of 2 layers, 64 → 256, batch 32, 32 steps, SGD: a training step"""
    model = torch.nn.LSTM(64, 256, 2, batch_first=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    sequences = torch.rand(32, 32, 64)
    return training(torch, compile, model, optimizer, lambda m, x: m(x)[0].square().mean(), sequences)


def gpt_training(torch: Any, compile: Compile, autocast: bool) -> Step:
    model = gpt(torch, blocks=4, width=256, heads=4, length=128, symbols=256)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    text = torch.randint(0, 256, (8, 129))

    def loss_of(model: Any, text: Any) -> Any:
        return torch.nn.functional.cross_entropy(model(text[:, :-1]).reshape(-1, 256), text[:, 1:].reshape(-1))

    return training(torch, compile, model, optimizer, loss_of, text, autocast=autocast)


GPT_FLOPS = TRAINING * costs.gpt(8, blocks=4, width=256, length=128, symbols=256)


@workload(cost=Cost(GPT_FLOPS))
def gpt_train(torch: Any, compile: Compile) -> Step:
    """GPT of 4 blocks, width 256, 4 heads, 128 tokens, batch 8, AdamW: a training step"""
    return gpt_training(torch, compile, False)


@workload(goal=1.5, cost=Cost(GPT_FLOPS, "bf16"))
def gpt_train_bf16(torch: Any, compile: Compile) -> Step:
    """gpt_train with autocast to bfloat16"""
    return gpt_training(torch, compile, True)


# ---- single ops, large ----


@workload(goal=2.5, cost=costs.stream(4096 * 1024, 2))
def elementwise_chain(torch: Any, compile: Compile) -> Step:
    """gelu(x) · sigmoid(x) + tanh(x), 4096 × 1024"""
    x = torch.randn(4096, 1024)
    function = compile(lambda x: torch.nn.functional.gelu(x) * torch.sigmoid(x) + torch.tanh(x))
    return lambda: function(x)


@workload(cost=costs.stream(4096 * 1024, 2))
def softmax_big(torch: Any, compile: Compile) -> Step:
    """softmax over the rows of 4096 × 1024"""
    x = torch.randn(4096, 1024)
    function = compile(lambda x: torch.softmax(x, 1))
    return lambda: function(x)


# Forward reads x and writes the result; backward reads x and the gradient and writes one.
@workload(cost=costs.stream(2048 * 1024, 5, kept=4))
def layernorm_train(torch: Any, compile: Compile) -> Step:
    """layer normalisation of 2048 × 1024, forward and backward"""
    norm = torch.nn.LayerNorm(1024)
    x, weights = torch.randn(2048, 1024, requires_grad=True), torch.randn(2048, 1024)
    forward = compile(norm)

    def step() -> Any:
        x.grad = norm.weight.grad = norm.bias.grad = None
        forward(x).backward(weights)
        return x.grad

    return step


# Reads parameter, gradient and two averages, writes all but the gradient.
@workload(cost=costs.stream(16 * 512 * 512, 7, kept=4))
def adam_step(torch: Any, compile: Compile) -> Step:
    """a step of AdamW over 16 parameters of 512 × 512"""
    parameters = [torch.nn.Parameter(torch.randn(512, 512)) for _ in range(16)]
    for p in parameters:
        p.grad = torch.randn(512, 512)
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    update = compile(optimizer.step)

    def step() -> Any:
        update()
        return parameters[0]

    return step


@workload(cost=Cost(costs.matmul(1024, 1024, 1024)))
def matmul_1024(torch: Any, compile: Compile) -> Step:
    """matrix product, 1024 × 1024"""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    product = compile(lambda a, b: a @ b)
    return lambda: product(a, b)


@workload()
def dataloader(torch: Any, compile: Compile) -> Step:
    """an epoch of DataLoader over 20,000 rows of 10, batch 64, shuffled"""
    dataset = torch.utils.data.TensorDataset(torch.randn(20000, 10), torch.randint(0, 10, (20000,)))
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True)

    def epoch() -> Any:
        for _, labels in loader:
            last = labels
        return last

    return epoch


# ---- extra: run when they are named ----

IMPORT = "import of the library, files cached"
WORKLOADS["import"] = Workload("import", IMPORT, None, "import", 8, None, None, True)
SIZE = "the installed package without what it depends on"
WORKLOADS["size"] = Workload("size", SIZE, None, "size", None, 120e6, None, True)


@workload(extra=True, goal=2.5)
def chain20(torch: Any, compile: Compile) -> Step:
    """20 ops in a chain, 10 × tanh(x · b), forward and backward, 4 elements"""
    return chain(torch, compile, 10)


@workload(extra=True, goal=1.5, cost=Cost(2 * costs.conv(32, 64, 64, 3, 56)))
def conv3x3(torch: Any, compile: Compile) -> Step:
    """twice convolution 3 × 3, 64 → 64, and ReLU on 32 × 64 × 56 × 56, from plain NCHW to plain NCHW"""
    nn = torch.nn
    layers = [nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()]
    model = compile(nn.Sequential(*layers))
    # As NumPy arrays, input and output are plain NCHW for certain: no library can keep them in an order of its own.
    images = torch.from_numpy(torch.rand(32, 64, 56, 56).numpy())

    def function() -> Any:
        result = model(images)
        result.numpy()
        return result

    return without_gradients(torch, function)


@workload(extra=True, goal=2, cost=costs.stream(4096 * 4096, 2))
def softmax16m(torch: Any, compile: Compile) -> Step:
    """softmax over the rows of 4096 × 4096"""
    x = torch.randn(4096, 4096)
    function = compile(lambda x: torch.softmax(x, 1))
    return lambda: function(x)


@workload(extra=True, goal=2, cost=costs.stream(4096 * 4096, 2))
def gelu16m(torch: Any, compile: Compile) -> Step:
    """GELU of 4096 × 4096"""
    x = torch.randn(4096, 4096)
    function = compile(torch.nn.functional.gelu)
    return lambda: function(x)


@workload(extra=True, cost=Cost(costs.tutorial_cnn(64)))
def cnn_infer(torch: Any, compile: Compile) -> Step:
    """the CNN of cnn_mnist on 64 × 1 × 28 × 28, no gradients"""
    model, images = compile(tutorial_cnn(torch).eval()), torch.rand(64, 1, 28, 28)
    return without_gradients(torch, lambda: model(images))


@workload(extra=True)
def cnn_infer_int8(torch: Any, compile: Compile) -> Step:
    """cnn_infer with the model quantized to int8: compare with cnn_infer"""
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
        quantized = compile(quantization.convert(prepared))
    return without_gradients(torch, lambda: quantized(images))
