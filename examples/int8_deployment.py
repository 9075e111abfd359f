"""From training to deployment: a network that reads digits is made four times smaller, with whole numbers of 8 bits.

A trained network does not need the precision it was trained with. Observers watch which values pass through it on some
images (calibration); then weights and activations become whole numbers from -128 to 127 and from 0 to 255, each with a
scale that says what they stand for. The small network is saved, loaded as a program that serves it would, and compared
with the one it was made from.

Jacob et al.: Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2017.

    python examples/int8_deployment.py                 # scikit-learn's digits
    python examples/int8_deployment.py --data FOLDER   # MNIST, read by torchvision from FOLDER

It needs scikit-learn.
"""

import argparse
import time
import warnings
from pathlib import Path

import torch
import torch.ao.quantization as tq
import torch.nn as nn
import torch.nn.functional as F
from sources import load_digit_images
from torch.utils.data import DataLoader, TensorDataset

# PyTorch announces that these functions will move to another package.
warnings.filterwarnings("ignore")


class DigitReader(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.quant = tq.QuantStub()  # where numbers become 8 bits wide ...
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(32)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(64)
        self.relu2 = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(64 * (size // 4) ** 2, 128)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(128, 10)
        self.dequant = tq.DeQuantStub()  # ... and where they become floating-point numbers again

    def forward(self, x):
        x = self.quant(x)
        x = self.pool(self.relu1(self.norm1(self.conv1(x))))
        x = self.pool(self.relu2(self.norm2(self.conv2(x))))
        x = self.relu3(self.fc1(x.flatten(1)))
        return self.dequant(self.fc2(x))


def train(model, images, labels, epochs):
    loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    step = 0
    model.train()
    for _ in range(epochs):
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step < 20:
                print(f"step {step:3}  loss {loss.item():#.5g}")
            step += 1


def prepare(model):
    """The network in one piece where it can be (convolution, normalisation and ReLU become one), with observers."""
    model.eval()
    fused = tq.fuse_modules(model, [["conv1", "norm1", "relu1"], ["conv2", "norm2", "relu2"], ["fc1", "relu3"]])
    fused.qconfig = tq.get_default_qconfig("x86")
    return tq.prepare(fused)


@torch.no_grad()
def accuracy(model, images, labels):
    model.eval()
    right = [(model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(256), labels.split(256))]
    return sum(right) / len(labels)


@torch.no_grad()
def milliseconds(model, images, repeats=30):
    """The time for a batch, the best of several: the least disturbed one."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        model(images)
        best = min(best, time.perf_counter() - start)
    return 1000 * best


def main():
    parser = argparse.ArgumentParser(description="Train a digit reader, make it 8 bits wide, and compare.")
    parser.add_argument("--epochs", type=int, help="times through the images (default: 8; with --data: 2)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", metavar="FOLDER", help="where MNIST lies (default: scikit-learn's digits)")
    parser.add_argument("--out", default="runs/int8_deployment", help="folder (default: runs/int8_deployment)")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)

    (images, labels), (held_out, held_out_labels) = load_digit_images(args.data)
    size = images.shape[-1]
    print(f"training on {len(images)} images of {size} × {size} pixels")
    model = DigitReader(size)
    train(model, images, labels, args.epochs or (8 if args.data is None else 2))
    torch.save(model.state_dict(), out / "float32.pt")

    print("calibrating on 512 of them, then converting to 8 bits")
    prepared = prepare(model)
    with torch.no_grad():
        prepared(images[:512])
    quantized = tq.convert(prepared)
    torch.save(quantized.state_dict(), out / "int8.pt")

    # What a serving program does: build the same structure, without data, and fill it from the file.
    served = tq.convert(prepare(DigitReader(size)))
    served.load_state_dict(torch.load(out / "int8.pt"))
    served.eval()
    with torch.no_grad():
        same = torch.equal(served(held_out[:100]), quantized(held_out[:100]))
    print("the loaded network gives the same scores:", same)

    batch = images[:64]
    print(f"\n{'':10}{'accuracy':>10}{'file':>12}{'64 images':>12}")
    rows = {}
    for name, network in (("float32", model.eval()), ("int8", served)):
        share = accuracy(network, held_out, held_out_labels)
        kilobytes = (out / f"{name}.pt").stat().st_size / 1000
        rows[name] = share, kilobytes, milliseconds(network, batch)
        print(f"{name:10}{share:10.2%}{kilobytes:9.0f} kB{rows[name][2]:9.2f} ms")
    (exact, large, slow), (coarse, small, fast) = rows.values()
    print(f"\n{large / small:.1f} times smaller, {slow / fast:.1f} times as fast, ", end="")
    print(f"{abs(exact - coarse):.2%} {'more' if coarse > exact else 'less'} accurate; both networks in {out}")


if __name__ == "__main__":
    main()
