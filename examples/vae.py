"""A variational autoencoder: squeeze images of digits into two numbers, and make new digits out of two numbers.

The encoder gives for each image not a point but a small cloud (a mean and a spread) in the plane; the decoder has to
draw the image again from any point of its cloud. A penalty keeps the clouds near the origin and close together, so that
every point of the plane comes to mean some digit.

Kingma and Welling: Auto-Encoding Variational Bayes, 2013.

    python examples/vae.py                     # scikit-learn's digits; then look at runs/vae/plane.png
    python examples/vae.py --data FOLDER       # MNIST, read by torchvision from FOLDER

It needs scikit-learn and matplotlib.
"""

import argparse
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from pictures import draw_images, draw_points
from sources import load_digit_images
from torch.utils.data import DataLoader, TensorDataset


class VAE(nn.Module):
    def __init__(self, pixels, hidden=256, latent=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, pixels),
        )

    def encode(self, x):
        h = self.encoder(x.flatten(1))
        return self.mean(h), self.log_variance(h)

    def forward(self, x):
        mean, log_variance = self.encode(x)
        # A random point of the cloud, written so that gradients flow into mean and spread.
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(z), mean, log_variance


def loss_function(logits, x, mean, log_variance):
    """Per image: how badly it was redrawn, plus how far its cloud is from the standard normal distribution."""
    redrawing = F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="sum")
    divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return (redrawing + divergence) / len(x)


@torch.no_grad()
def evaluate(model, images):
    model.eval()
    logits, mean, log_variance = model(images)
    return loss_function(logits, images, mean, log_variance).item()


@torch.no_grad()
def decoded_plane(model, size, steps=14):
    """Images decoded from a square grid of points, denser where the normal distribution has more of its weight."""
    marks = torch.special.ndtri(torch.linspace(0.02, 0.98, steps))  # quantiles of the normal distribution
    y, x = torch.meshgrid(marks.flip(0), marks, indexing="ij")
    images = torch.sigmoid(model.decoder(torch.stack([x, y], dim=-1).view(-1, 2)))
    return images.view(steps * steps, size, size)


def main():
    parser = argparse.ArgumentParser(description="A variational autoencoder of handwritten digits.")
    parser.add_argument("--epochs", type=int, help="times through the images (default: 60; with --data: 8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", metavar="FOLDER", help="where MNIST lies (default: scikit-learn's digits)")
    parser.add_argument("--out", default="runs/vae", help="folder for the pictures (default: runs/vae)")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)

    (images, _), (held_out, held_out_labels) = load_digit_images(args.data)
    size = images.shape[-1]
    loader = DataLoader(TensorDataset(images), batch_size=64, shuffle=True)
    model = VAE(pixels=size * size)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    before = evaluate(model, held_out)
    epochs = args.epochs or (60 if args.data is None else 8)
    print(f"{len(images)} images of {size} × {size} pixels; {sum(p.numel() for p in model.parameters()):,} parameters")

    step = 0
    for epoch in range(1, epochs + 1):
        model.train()
        for (x,) in loader:
            logits, mean, log_variance = model(x)
            loss = loss_function(logits, x, mean, log_variance)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step < 20:
                print(f"step {step:3}  loss {loss.item():#.5g}")
            step += 1
        if epoch % max(epochs // 6, 1) == 0:
            print(f"epoch {epoch:2}/{epochs}   held-out loss {evaluate(model, held_out):.2f}")

    plane, points = out / "plane.png", out / "points.png"
    words = "every image was drawn from its place in the plane alone"
    draw_images(plane, "The plane of digits", words, decoded_plane(model, size).numpy(), columns=14)
    with torch.no_grad():
        mean, _ = model.encode(held_out)
    words = "where the encoder puts held-out images; it was never told which digit is which"
    draw_points(points, "Digits by place", words, mean.numpy(), held_out_labels.numpy())
    print(f"\nheld-out loss {before:.2f} before, {evaluate(model, held_out):.2f} after learning")
    print(f"new digits in {plane}, where real ones lie in {points}")


if __name__ == "__main__":
    main()
