"""A DCGAN: two convolutional networks that compete until one of them draws handwritten digits.

The generator makes images out of random numbers. The discriminator is shown real images and those of the generator and
has to tell them apart; the generator learns to be taken for real.

Radford, Metz and Chintala: Unsupervised Representation Learning with Deep Convolutional GANs, 2015.

    python examples/dcgan.py                   # scikit-learn's digits; then look at runs/dcgan/digits.png
    python examples/dcgan.py --data FOLDER     # MNIST, read by torchvision from FOLDER

It needs scikit-learn and matplotlib.
"""

import argparse
from pathlib import Path

import torch
import torch.nn as nn
from pictures import draw_images
from sources import load_digit_images
from torch.utils.data import DataLoader, TensorDataset

NOISE = 32  # random numbers from which an image is made


def make_generator(size):
    start = size // 4  # two layers double the size
    return nn.Sequential(
        nn.ConvTranspose2d(NOISE, 64, start, bias=False),  # [N, 64, size/4, size/4]
        nn.BatchNorm2d(64),
        nn.ReLU(True),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False),  # [N, 32, size/2, size/2]
        nn.BatchNorm2d(32),
        nn.ReLU(True),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),  # [N, 1, size, size]
        nn.Tanh(),  # pixels from -1 to 1
    )


def make_discriminator(size):
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(32, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Dropout(0.3),  # so few images are soon known by heart
        nn.Conv2d(64, 1, size // 4),  # one number: above 0 means "real"
        nn.Flatten(0),
    )


def init_weights(module):
    """The paper's first weights: normal, with a standard deviation of 0.02."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


@torch.no_grad()
def distance_to_real(images, real):
    """How far, on average, an image is from the most similar real one."""
    return torch.cdist(images.flatten(1), real.flatten(1)).min(1).values.mean().item()


def main():
    parser = argparse.ArgumentParser(description="A generator of handwritten digits, taught by a discriminator.")
    parser.add_argument("--epochs", type=int, help="times through the images (default: 60; with --data: 8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", metavar="FOLDER", help="where MNIST lies (default: scikit-learn's digits)")
    parser.add_argument("--out", default="runs/dcgan", help="folder for the picture (default: runs/dcgan)")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)

    (images, _), (held_out, _) = load_digit_images(args.data)
    size = images.shape[-1]
    real_images, held_out = images * 2 - 1, held_out * 2 - 1  # from -1 to 1, as Tanh gives them
    loader = DataLoader(TensorDataset(real_images), batch_size=64, shuffle=True, drop_last=True)

    generator = make_generator(size).apply(init_weights)
    discriminator = make_discriminator(size).apply(init_weights)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=5e-4, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    fixed_noise = torch.randn(96, NOISE, 1, 1)
    with torch.no_grad():
        before = distance_to_real(generator(fixed_noise), real_images)
    epochs = args.epochs or (60 if args.data is None else 8)
    print(f"{len(images)} real images of {size} × {size} pixels; {len(loader)} steps in an epoch")

    step = 0
    for epoch in range(1, epochs + 1):
        for (real,) in loader:
            ones, zeros = torch.ones(len(real)), torch.zeros(len(real))

            # 1. The discriminator learns: real images are real, made ones are not.
            fake = generator(torch.randn(len(real), NOISE, 1, 1))
            loss_d = criterion(discriminator(real), ones) + criterion(discriminator(fake.detach()), zeros)
            optimizer_d.zero_grad()
            loss_d.backward()
            optimizer_d.step()

            # 2. The generator learns: its images should be taken for real.
            loss_g = criterion(discriminator(fake), ones)
            optimizer_g.zero_grad()
            loss_g.backward()
            optimizer_g.step()

            if step < 20:
                print(f"step {step:3}  loss {loss_d.item():#.5g}  generator {loss_g.item():#.5g}")
            step += 1
        if epoch % max(epochs // 6, 1) == 0:
            print(f"epoch {epoch:2}/{epochs}   discriminator {loss_d.item():.3f}   generator {loss_g.item():.3f}")

    generator.eval()
    with torch.no_grad():
        made = generator(fixed_noise)
    picture = out / "digits.png"
    words = f"made from random numbers after {epochs} epochs; none of them was ever written"
    draw_images(picture, "Digits that nobody wrote", words, (made[:, 0].numpy() + 1) / 2, columns=16)
    print("\nmean distance from a made image to the nearest real one:")
    print(f"  {before:.2f} before, {distance_to_real(made, real_images):.2f} after learning; ", end="")
    print(f"held-out real images: {distance_to_real(held_out, real_images):.2f}")
    print(f"{len(made)} made digits in {picture}")


if __name__ == "__main__":
    main()
