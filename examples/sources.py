"""What the examples learn from: handwritten digits, and text. Nothing is downloaded."""

import random
import re
from pathlib import Path

import torch


def load_digit_images(folder=None):
    """Real handwritten digits to learn from and held out, as ((images, labels), (images, labels)).

    Images are [N, 1, size, size] with grey values from 0 to 1. Without `folder` they are the 1,797 digits of 8 × 8
    pixels that come with scikit-learn; with `folder`, the MNIST files of 28 × 28 pixels in it, as torchvision reads
    them.
    """
    if folder is None:
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
        labels = torch.tensor(digits.target, dtype=torch.int64)
        # The split has a seed of its own: whatever the seed of a run, it is examined on the same digits.
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
        held_out, training = order[: len(order) // 5], order[len(order) // 5 :]
        return (images[training], labels[training]), (images[held_out], labels[held_out])

    from torchvision.datasets import MNIST

    parts = [MNIST(root=folder, train=train) for train in (True, False)]
    return tuple((part.data.unsqueeze(1).float() / 255, part.targets) for part in parts)


def read_text(path=None):
    """The text of a file; without `path`, the plain sentences of the help that comes with Python."""
    if path is not None:
        return Path(path).read_text(encoding="utf-8")

    from pydoc_data.topics import topics

    paragraphs = []
    for name in sorted(topics):
        for paragraph in re.split(r"\n\s*\n", topics[name]):
            words = " ".join(paragraph.split())
            # Tables, grammars and pieces of code are left out.
            if len(words) > 60 and words[-1] in ".:" and re.fullmatch(r"[\w ,.;:'\"()/*=+<>`-]+", words):
                paragraphs.append(words)
    random.Random(0).shuffle(paragraphs)  # else what is held out would be the end of the alphabet
    return "\n\n".join(dict.fromkeys(paragraphs))
