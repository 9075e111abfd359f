"""The larger networks of the workloads, each written once for whichever library is given as `torch`."""

from typing import Any


def tutorial_cnn(torch: Any) -> Any:
    """Three 3 × 3 convolutions, each with ReLU and pooling, and a linear layer, for images of 28 × 28."""
    nn = torch.nn
    layers = []
    for before, after in [(1, 32), (32, 64), (64, 128)]:
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 3 * 3, 10))


def resnet18(torch: Any, classes: int, small: bool) -> Any:
    """ResNet-18; `small` is the form for 32 × 32 images: a 3 × 3 first convolution and no first pooling."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
            self.norm2 = nn.BatchNorm2d(after)
            self.relu = nn.ReLU(inplace=True)
            self.shortcut = nn.Identity()
            if stride != 1 or before != after:
                self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

        def forward(self, x: Any) -> Any:
            y = self.relu(self.norm1(self.conv1(x)))
            return self.relu(self.norm2(self.conv2(y)) + self.shortcut(x))

    if small:
        layers = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    else:
        layers = [nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(3, 2, padding=1)]
    before = 64
    for after, stride in [(64, 1), (128, 2), (256, 2), (512, 2)]:
        layers += [Block(before, after, stride), Block(after, after, 1)]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


def gpt(torch: Any, blocks: int, width: int, heads: int, length: int, symbols: int) -> Any:
    """A decoder of the GPT-2 kind: pre-normalised blocks of causal attention and a GELU network."""
    nn = torch.nn
    F = nn.functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            batch, time, _ = x.shape
            qkv = self.qkv(self.norm1(x)).view(batch, time, 3, heads, width // heads)
            q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(batch, time, width))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.symbol, self.position = nn.Embedding(symbols, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(blocks)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, symbols, bias=False)

        def forward(self, text: Any) -> Any:
            x = self.symbol(text) + self.position(torch.arange(text.shape[1]))
            return self.head(self.norm(self.blocks(x)))

    return GPT()
