"""The same seed, the same program: the first hundred losses agree with PyTorch's to four significant digits.

The programs are ordinary PyTorch code; each runs twice, with `torch` bound to either library.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

pytorch = pytest.importorskip("torch")

import lampas  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

STEPS = 100


def mlp(torch: Any) -> list[float]:
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 5))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    x = torch.randn(256, 20)
    y = (x[:, :5] + 0.3 * torch.randn(256, 5)).argmax(1)
    losses = []
    for _ in range(STEPS):
        batch = torch.randperm(256)[:64]
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def cnn(torch: Any) -> list[float]:
    torch.manual_seed(1)
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
            self.norm = nn.BatchNorm2d(8)
            self.conv2 = nn.Conv2d(8, 16, 3)
            self.fc = nn.Linear(16 * 5 * 5, 10)

        def forward(self, x: Any) -> Any:
            x = nn.functional.max_pool2d(nn.functional.relu(self.norm(self.conv1(x))), 2)
            x = nn.functional.relu(self.conv2(x))
            return nn.functional.log_softmax(self.fc(torch.flatten(x, 1)), dim=1)

    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=40, gamma=0.5)
    images = torch.rand(320, 1, 14, 14)
    labels = torch.randint(0, 10, (320,))
    for i in range(320):
        images[i, 0, int(labels[i])] += 1.0  # a bright row tells the class
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, labels), batch_size=32, shuffle=True)
    losses: list[float] = []
    while len(losses) < STEPS:
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.NLLLoss()(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
    return losses[:STEPS]


def lstm(torch: Any) -> list[float]:
    torch.manual_seed(2)
    nn = torch.nn

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(12, 8)
            self.lstm = nn.LSTM(8, 16, num_layers=2, batch_first=True)
            self.head = nn.Linear(16, 12)

        def forward(self, x: Any) -> Any:
            out, _ = self.lstm(self.embedding(x))
            return self.head(out)

    model = Tagger()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=3e-3)
    criterion = nn.CrossEntropyLoss()
    losses = []
    for _ in range(STEPS):
        start = torch.randint(0, 12, (16, 1))
        text = (start + torch.arange(11)) % 12
        loss = criterion(model(text[:, :-1]).reshape(-1, 12), text[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def regression_with_dropout(torch: Any) -> list[float]:
    torch.manual_seed(3)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(10, 32), nn.LayerNorm(32), nn.GELU(), nn.Dropout(0.2), nn.Linear(32, 1))
    nn.init.xavier_uniform_(model[0].weight)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS)
    x = torch.randn(128, 10)
    y = x.sum(1, keepdim=True).sin() + 0.1 * torch.randn(128, 1)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


def four_digits(value: float) -> float:
    """Half a unit of the fourth significant digit."""
    return 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) - 3)


@pytest.mark.parametrize("curves", [mlp, cnn, lstm, regression_with_dropout], ids=lambda f: f.__name__)
def test_first_hundred_losses(curves: Callable[[Any], list[float]]) -> None:
    theirs, ours = curves(pytorch), curves(lampas)
    assert len(ours) == STEPS
    assert theirs[-1] < 0.8 * theirs[0], "the program does not learn, so it shows little"
    for step, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert abs(a - b) <= four_digits(b), f"step {step}: {a:.7g}, expected {b:.7g}"
