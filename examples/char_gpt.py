"""A small GPT that learns to write, character by character, from any text.

A transformer sees up to 64 characters and gives a probability for every character that may follow. It learns from
random pieces of the text, and then writes a text of its own by drawing one character after another.

    python examples/char_gpt.py                                # learns from Python's own help texts
    python examples/char_gpt.py --text FILE --steps 2000       # from any text; longer is better

It needs nothing beside the library.
"""

import argparse
import math
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from sources import read_text

CONTEXT, WIDTH, HEADS, LAYERS = 64, 96, 4, 3
BATCH = 24


class Block(nn.Module):
    """Characters look at those before them (attention), then each thinks for itself (the two linear layers)."""

    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.think = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):  # [N, length, WIDTH]
        n, length, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)  # [N, HEADS, length, .]
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # nobody looks ahead
        x = x + self.out(seen.transpose(1, 2).reshape(n, length, WIDTH))
        return x + self.think(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, characters):
        super().__init__()
        self.token = nn.Embedding(characters, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, characters, bias=False)
        self.apply(self.init_weights)

    @staticmethod
    def init_weights(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)

    def forward(self, ids):  # [N, length] -> [N, length, characters]
        x = self.token(ids) + self.position(torch.arange(ids.shape[1]))
        return self.head(self.norm(self.blocks(x)))

    @torch.no_grad()
    def write(self, ids, length, temperature=0.8):
        for _ in range(length):
            scores = self(ids[:, -CONTEXT:])[:, -1] / temperature  # for the character that comes next
            ids = torch.cat([ids, torch.multinomial(scores.softmax(-1), num_samples=1)], dim=1)
        return ids


def random_pieces(data):
    """CONTEXT characters from random places, and for each of them the character that follows."""
    starts = torch.randint(len(data) - CONTEXT - 1, (BATCH, 1))
    pieces = data[starts + torch.arange(CONTEXT + 1)]
    return pieces[:, :-1], pieces[:, 1:]


def loss_on(model, ids, following):
    return F.cross_entropy(model(ids).flatten(0, 1), following.flatten())


@torch.no_grad()
def evaluate(model, data, batches=20):
    model.eval()
    loss = sum(loss_on(model, *random_pieces(data)).item() for _ in range(batches)) / batches
    model.train()
    return loss


def main():
    parser = argparse.ArgumentParser(description="A small GPT that learns to write from a text.")
    parser.add_argument("--text", metavar="FILE", help="text to learn from (default: Python's help)")
    parser.add_argument("--steps", type=int, default=400, help="learning steps (default: 400)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/char_gpt", help="folder for what is written (default: runs/char_gpt)")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)

    text = read_text(args.text)
    alphabet = sorted(set(text))
    number = {character: i for i, character in enumerate(alphabet)}
    data = torch.tensor([number[character] for character in text])
    training, held_out = data[: len(data) * 9 // 10], data[len(data) * 9 // 10 :]
    model = GPT(len(alphabet))
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{len(text):,} characters, {len(alphabet)} different; {parameters:,} parameters")

    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.99), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=args.steps, pct_start=0.1)
    for step in range(args.steps):
        loss = loss_on(model, *random_pieces(training))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step < 20:
            print(f"step {step:3}  loss {loss.item():#.5g}")
        elif (step + 1) % 100 == 0:
            print(f"step {step + 1}/{args.steps}: held-out loss {evaluate(model, held_out):.3f}")

    model.eval()
    start = torch.tensor([[number["\n"]]]) if "\n" in number else training[None, :1]
    sample = "".join(alphabet[i] for i in model.write(start, 500)[0].tolist()).strip()
    (out / "sample.txt").write_text(sample + "\n", encoding="utf-8")
    torch.save({"alphabet": alphabet, "model": model.state_dict()}, out / "model.pt")
    print(f"\nwhat it writes now:\n{'-' * 60}\n{sample}\n{'-' * 60}")
    loss = evaluate(model, held_out)
    print(f"held-out loss {loss:.3f}, as if choosing among {math.exp(loss):.1f} characters instead of {len(alphabet)}")
    print(f"sample and model in {out}")


if __name__ == "__main__":
    main()
