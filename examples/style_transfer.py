"""Style transfer: paint one picture in the manner of another.

What is learned here is not a network but an image. A fixed convolutional network describes images: *where* something is
(the content: its outputs) and *what goes with what* (the style: how its channels vary together, the Gram matrix). The
image is changed until its content is that of the one picture and its style that of the other. The network's weights
are random: that is enough for colours, strokes and textures.

Gatys, Ecker and Bethge: A Neural Algorithm of Artistic Style, 2015; random weights: He, Wang and Hopcroft, 2016.

    python examples/style_transfer.py          # a photograph that comes with scikit-learn, made-up brush strokes
    python examples/style_transfer.py --content PHOTO.jpg --style PAINTING.jpg

It needs scikit-learn and matplotlib (with its Pillow).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from pictures import draw_images
from PIL import Image

HEIGHT, WIDTH = 112, 160


def read_picture(path):
    """A picture as [1, 3, HEIGHT, WIDTH] with values from 0 to 1; without a path, a photograph of a Chinese temple."""
    if path is not None:
        picture = Image.open(path).convert("RGB")
    else:
        from sklearn.datasets import load_sample_image

        picture = Image.fromarray(load_sample_image("china.jpg"))
    pixels = np.array(picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).contiguous() / 255


def brush_strokes():
    """A made-up painting: waves of blue and yellow strokes around two whirls."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, HEIGHT), torch.linspace(-1.4, 1.4, WIDTH), indexing="ij")
    flow = 26 * y + 6 * torch.sin(3 * x)
    for cx, cy in ((-0.6, -0.3), (0.7, 0.2)):
        distance = torch.sqrt((x - cx) ** 2 + (y - cy) ** 2)
        flow = flow + 40 * distance * torch.exp(-3 * distance**2)
    waves = 0.5 + 0.5 * torch.sin(flow)
    light = torch.exp(-5 * ((x - 0.7) ** 2 + (y - 0.2) ** 2)) + torch.exp(-5 * ((x + 0.6) ** 2 + (y + 0.3) ** 2))
    dark, blue, yellow = (torch.tensor(c).view(3, 1, 1) for c in ([0.04, 0.08, 0.3], [0.3, 0.55, 0.85], [1, 0.85, 0.3]))
    night = dark + (blue - dark) * waves
    return (night + (yellow - night) * (light * (0.4 + 0.6 * waves)).clamp(0, 1)).unsqueeze(0)


class Describer(nn.Module):
    """Three layers of random filters; gives the outputs of all of them."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(3, 32, 5, padding=2, padding_mode="reflect"),
                nn.Conv2d(32, 64, 3, padding=1, padding_mode="reflect"),
                nn.Conv2d(64, 64, 3, padding=1, padding_mode="reflect"),
            ]
        )
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        self.requires_grad_(False)  # nothing in here is learned

    def forward(self, x):
        outputs = []
        x = (x - 0.5) / 0.25
        for layer in self.layers:
            x = F.relu(layer(x))
            outputs.append(x)
            x = F.avg_pool2d(x, 2)
        return outputs


def gram(features):
    """How strongly every two channels are active at the same places: [N, C, H, W] -> [N, C, C]."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def main():
    parser = argparse.ArgumentParser(description="Paint one picture in the manner of another.")
    parser.add_argument("--content", metavar="FILE", help="picture to be painted (default: a photograph)")
    parser.add_argument("--style", metavar="FILE", help="picture to imitate (default: made-up brush strokes)")
    parser.add_argument("--steps", type=int, default=100, help="how often the image is judged (default: 100)")
    parser.add_argument("--style-weight", type=float, default=3.0, help="more is less like the photograph (default: 3)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/style_transfer", help="folder (default: runs/style_transfer)")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    # LBFGS compares gradients of images that hardly differ: in single precision it would see mostly rounding.
    torch.set_default_dtype(torch.float64)

    content = read_picture(args.content)
    style = brush_strokes() if args.style is None else read_picture(args.style)
    describer = Describer().eval()
    wanted_content = describer(content)[1]  # what the middle layer says
    wanted_grams = [gram(features) for features in describer(style)]

    image = content.clone().requires_grad_()  # what is optimised: the pixels
    optimizer = torch.optim.LBFGS([image], max_iter=args.steps, max_eval=args.steps, line_search_fn="strong_wolfe")
    losses = []

    def judge():
        """What LBFGS calls, several times in one step: the loss of the image as it is, and its gradient."""
        optimizer.zero_grad()
        features = describer(image)
        content_loss = F.mse_loss(features[1], wanted_content)
        style_loss = sum(F.mse_loss(gram(f), g) / g.pow(2).mean() for f, g in zip(features, wanted_grams))
        roughness = image.diff(dim=-1).pow(2).mean() + image.diff(dim=-2).pow(2).mean()
        loss = content_loss + args.style_weight * style_loss + 4 * roughness
        loss.backward()
        if len(losses) < 20:
            parts = f"content {content_loss.item():#.5g}  style {style_loss.item():#.5g}"
            print(f"step {len(losses):3}  loss {loss.item():#.5g}  {parts}")
        losses.append(loss.item())
        return loss

    print(f"painting {WIDTH} × {HEIGHT} pixels")
    optimizer.step(judge)

    pictures = torch.cat([content, style, image.detach().clamp(0, 1)])
    path = out / "painted.png"
    draw_images(
        path,
        "One picture in the manner of another",
        f"the image after {len(losses)} steps of LBFGS",
        pictures.permute(0, 2, 3, 1).numpy(),
        columns=3,
        names=["content", "style", "both"],
    )
    print(f"\nloss {losses[0]:.3f} at first, {losses[-1]:.3f} after {len(losses)} steps; the pictures are in {path}")


if __name__ == "__main__":
    main()
