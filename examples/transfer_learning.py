"""Transfer learning: a network that can read the digits 0 to 6 learns 7, 8 and 9 from a handful of examples.

The digits stand anywhere in a larger image full of noise, so that a few examples do not show what matters. First the
network learns 0 to 6 from a thousand digits, at another place each time. Then its last layer is replaced by a new one
for 7, 8 and 9, and it goes on learning from very few images: what it has found out about strokes, loops and noise is
reused. For comparison, a network that knows nothing yet learns from the same few images.

    python examples/transfer_learning.py

It needs scikit-learn and matplotlib.
"""

import argparse
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from pictures import draw_curves
from sources import load_digit_images
from torch.utils.data import DataLoader, TensorDataset

OLD, NEW = [0, 1, 2, 3, 4, 5, 6], [7, 8, 9]


class Network(nn.Module):
    """`features` turns an image into 128 numbers that describe it; `head` gives a score for each class."""

    def __init__(self, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),  # [N, 32, 16, 16]
            nn.ReLU(),
            nn.MaxPool2d(2),  # [N, 32, 8, 8]
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),  # [N, 64, 4, 4]
            nn.Conv2d(64, 128, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(1),  # [N, 128, 1, 1]
            nn.Flatten(),
        )
        self.head = nn.Linear(128, classes)

    def forward(self, x):
        return self.head(self.features(x))


def only(digits, images, labels):
    """The images of some digits, and which of them each one shows: 0 for the first, 1 for the second, ..."""
    chosen = torch.isin(labels, torch.tensor(digits))
    return images[chosen], labels[chosen] - digits[0]


def scatter(images, size=16):
    """Every 8 × 8 image at a random place of a larger one, with noise everywhere."""
    n = len(images)
    rows = torch.randint(size - 7, (n, 1, 1)) + torch.arange(8).view(8, 1)
    columns = torch.randint(size - 7, (n, 1, 1)) + torch.arange(8)
    large = torch.zeros(n, 1, size, size)
    large[torch.arange(n).view(n, 1, 1), 0, rows, columns] = images[:, 0]
    return large + 0.15 * torch.randn(large.shape)


@torch.no_grad()
def accuracy(model, images, labels):
    model.eval()
    return (model(images).argmax(1) == labels).float().mean().item()


def pretrain(model, images, labels, epochs):
    loader = DataLoader(TensorDataset(images, labels), batch_size=32, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    step = 0
    model.train()
    for _ in range(epochs):
        for x, y in loader:
            loss = F.cross_entropy(model(scatter(x)), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step < 20:
                print(f"step {step:3}  loss {loss.item():#.5g}")
            step += 1


def transferred(checkpoint):
    """A network for the new digits: the features of the old one, and a new head."""
    model = Network(len(NEW))
    weights = torch.load(checkpoint)
    weights = {name: value for name, value in weights.items() if not name.startswith("head.")}
    model.load_state_dict(weights, strict=False)  # not strict: the head is missing
    return model


def adapt(model, images, labels):
    """Learn from a few images, all at once, for 80 steps; the features change more slowly than the head."""
    groups = [{"params": model.features.parameters(), "lr": 1e-3}, {"params": model.head.parameters(), "lr": 1e-2}]
    optimizer = torch.optim.AdamW(groups)
    model.train()
    for _ in range(80):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main():
    parser = argparse.ArgumentParser(description="Reuse what a network learned from the digits 0-6 for 7, 8 and 9.")
    parser.add_argument("--epochs", type=int, default=20, help="for the digits 0 to 6 (default: 20)")
    parser.add_argument("--draws", type=int, default=3, help="choices of the few images, averaged (default: 3)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/transfer_learning", help="folder (default: runs/transfer_learning)")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)

    training, held_out = load_digit_images()
    model = Network(len(OLD))
    images, labels = only(OLD, *training)
    print(f"learning the digits 0 to 6 from {len(labels)} images")
    pretrain(model, images, labels, args.epochs)
    images, labels = only(OLD, *held_out)
    print(f"reads {accuracy(model, scatter(images), labels):.1%} of the held-out digits 0 to 6")
    torch.save(model.state_dict(), out / "old_digits.pt")

    print("\nlearning 7, 8 and 9: how many of the held-out ones are read correctly?")
    images, labels = only(NEW, *held_out)
    examination = scatter(images.repeat(3, 1, 1, 1)), labels.repeat(3)  # each at three places
    images, labels = only(NEW, *training)
    old, nothing = "from the old network", "from nothing"
    counts, curves = [1, 2, 5, 10, 20], {old: [], nothing: []}
    for n in counts:
        results = {old: [], nothing: []}
        for _ in range(args.draws):
            order = torch.randperm(len(labels))
            few = torch.cat([order[labels[order] == c][:n] for c in range(len(NEW))])
            few_images, few_labels = scatter(images[few]), labels[few]
            for name, new in ((old, transferred(out / "old_digits.pt")), (nothing, Network(len(NEW)))):
                adapt(new, few_images, few_labels)
                results[name].append(accuracy(new, *examination))
        for name in curves:
            curves[name].append(sum(results[name]) / args.draws)
        print(f"{n:3} examples of each   {old} {curves[old][-1]:.1%}   {nothing} {curves[nothing][-1]:.1%}")

    picture = out / "transfer.png"
    words = f"held-out 7, 8 and 9 read correctly after seeing a few examples (average of {args.draws} choices)"
    draw_curves(picture, "Learning new digits", words, counts, curves, xlabel="examples of each digit", percent=True)
    means = [sum(curve) / len(counts) for curve in curves.values()]
    print(f"\non average {means[0]:.1%} with the old network's features, {means[1]:.1%} without; curves in {picture}")


if __name__ == "__main__":
    main()
