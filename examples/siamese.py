"""A siamese network: the same network looks at two images and learns whether they show the same digit.

It turns every image into a point so that images of one digit lie close together and others at least a margin apart.
What it learns is to compare. So it can also compare digits that it has never seen: it learns from 0 to 7 only, and then
has to recognise 8 and 9, too, from one example of each digit.

Hadsell, Chopra and LeCun: Dimensionality Reduction by Learning an Invariant Mapping, 2006.

    python examples/siamese.py                 # scikit-learn's digits; then look at runs/siamese/points.png
    python examples/siamese.py --data FOLDER   # MNIST, read by torchvision from FOLDER

It needs scikit-learn and matplotlib.
"""

import argparse
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from pictures import draw_points
from sources import load_digit_images
from torch.utils.data import DataLoader, Dataset

SEEN = 8  # the digits below this one are learned from
MARGIN = 1.0


class Pairs(Dataset):
    """Pairs of images, every second one of the same digit: (image, image, 1 if the digit is the same, else 0)."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels
        self.places = [torch.nonzero(labels == digit).flatten() for digit in range(SEEN)]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        digit, same = self.labels[index].item(), index % 2 == 0
        if not same:
            digit = (digit + torch.randint(1, SEEN, ()).item()) % SEEN  # any of the others
        candidates = self.places[digit]
        other = candidates[torch.randint(len(candidates), ())]
        return self.images[index], self.images[other], float(same)


class Network(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * (size // 4) ** 2, 128),
            nn.ReLU(),
            nn.Linear(128, 2),  # only two numbers, so that the points can be drawn
        )

    def forward(self, x):
        return self.layers(x)


def contrastive_loss(a, b, same):
    """Pulls points of one digit together; pushes others away until they are MARGIN apart."""
    distance = F.pairwise_distance(a, b)
    return torch.mean(same * distance.pow(2) + (1 - same) * (MARGIN - distance).clamp(min=0).pow(2))


@torch.no_grad()
def recognised(model, images, labels, examples, example_labels):
    """The share of images whose nearest example is of the same digit."""
    model.eval()
    nearest = torch.cdist(model(images), model(examples)).argmin(1)
    return (example_labels[nearest] == labels).float().mean().item()


def main():
    parser = argparse.ArgumentParser(description="A siamese network that learns to compare handwritten digits.")
    parser.add_argument("--epochs", type=int, help="times through the images (default: 20; with --data: 4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", metavar="FOLDER", help="where MNIST lies (default: scikit-learn's digits)")
    parser.add_argument("--out", default="runs/siamese", help="folder for the picture (default: runs/siamese)")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)

    (images, labels), (held_out, held_out_labels) = load_digit_images(args.data)
    # One example of each digit, 8 and 9 included, to recognise the held-out images by.
    first = torch.stack([torch.nonzero(labels == digit)[0, 0] for digit in range(10)])
    examples, example_labels = images[first], labels[first]
    pairs = Pairs(images[labels < SEEN], labels[labels < SEEN])
    loader = DataLoader(pairs, batch_size=64, shuffle=True)
    model = Network(images.shape[-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    before = recognised(model, held_out, held_out_labels, examples, example_labels)
    epochs = args.epochs or (20 if args.data is None else 4)
    print(f"{len(pairs)} images of the digits 0 to {SEEN - 1}, each compared with another in every epoch")

    step = 0
    for epoch in range(1, epochs + 1):
        model.train()
        total = 0.0
        for one, other, same in loader:
            loss = contrastive_loss(model(one), model(other), same.float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            if step < 20:
                print(f"step {step:3}  loss {loss.item():#.5g}")
            step += 1
        if epoch % max(epochs // 5, 1) == 0:
            print(f"epoch {epoch:2}/{epochs}   mean loss {total / len(loader):.4f}")

    with torch.no_grad():
        points = model.eval()(held_out)
    picture = out / "points.png"
    words = f"held-out images; the network has never seen the digits {SEEN} and 9 before"
    draw_points(picture, "The same digit, or another?", words, points.numpy(), held_out_labels.numpy())
    after = recognised(model, held_out, held_out_labels, examples, example_labels)
    print(f"\nrecognised by the nearest of ten examples: {before:.1%} before, {after:.1%} after learning to compare")
    unseen = held_out_labels >= SEEN
    share = recognised(model, held_out[unseen], held_out_labels[unseen], examples, example_labels)
    print(f"of the digits {SEEN} and 9, never learned from: {share:.1%} (guessing would be 10%); points in {picture}")


if __name__ == "__main__":
    main()
