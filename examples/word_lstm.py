"""A language model of words: an LSTM reads a text and learns to guess the next word.

The text is cut into 10 strips that are read side by side, 20 words at a time. What the LSTM remembers is handed from
one piece to the next, but gradients are cut there (truncated backpropagation through time).

    python examples/word_lstm.py                     # learns from Python's own help texts
    python examples/word_lstm.py --text FILE         # from any text

It needs nothing beside the library.
"""

import argparse
import math
import re
from collections import Counter
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from sources import read_text

STRIPS, LENGTH = 10, 20
UNKNOWN = "<unknown>"


class WordModel(nn.Module):
    def __init__(self, words, width=128):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.dropout = nn.Dropout(0.2)
        self.lstm = nn.LSTM(width, width, num_layers=2, dropout=0.2)
        self.decoder = nn.Linear(width, words)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        self.decoder.weight = self.embedding.weight  # one table of words for reading and for guessing

    def forward(self, ids, state=None):  # [length, N] -> [length, N, words]
        output, state = self.lstm(self.dropout(self.embedding(ids)), state)
        return self.decoder(self.dropout(output)), state


def words_of(text):
    """Words and the marks that end something, in lower case."""
    return re.findall(r"\w+|[.,:;!?]", text.lower())


def strips(ids, count):
    """One long line of words as `count` shorter ones side by side: [words / count, count]."""
    length = len(ids) // count
    return ids[: length * count].view(count, length).t().contiguous()


def pieces(columns):
    """Up to LENGTH words of every strip, and the words that follow them."""
    for start in range(0, len(columns) - 1, LENGTH):
        end = min(start + LENGTH, len(columns) - 1)
        yield columns[start:end], columns[start + 1 : end + 1]


def loss_on(scores, following):
    return F.cross_entropy(scores.flatten(0, 1), following.flatten())


@torch.no_grad()
def evaluate(model, columns):
    """The mean loss of a word."""
    model.eval()
    state, total = None, 0.0
    for ids, following in pieces(columns):
        scores, state = model(ids, state)
        total += loss_on(scores, following).item() * following.numel()
    return total / (columns.numel() - columns.shape[1])


@torch.no_grad()
def write(model, vocabulary, length):
    """Words drawn one after another; the unknown word is never drawn."""
    model.eval()
    word, state, written = torch.tensor([[vocabulary.index(".")]]), None, []
    for _ in range(length):
        scores, state = model(word, state)
        scores[..., vocabulary.index(UNKNOWN)] = -math.inf
        word = torch.multinomial((scores[-1] / 0.8).softmax(-1), 1)
        written.append(vocabulary[word.item()])
    return re.sub(r" ([.,:;!?])", r"\1", " ".join(written))


def main():
    parser = argparse.ArgumentParser(description="An LSTM that learns to guess the next word of a text.")
    parser.add_argument("--text", metavar="FILE", help="text to learn from (default: Python's help)")
    parser.add_argument("--epochs", type=int, default=6, help="times through the text (default: 6)")
    parser.add_argument("--words", type=int, default=1500, help="how many words it knows (default: 1500)")
    parser.add_argument("--most", type=int, default=100_000, help="words of the text that it reads (default: 100000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/word_lstm", help="folder for what is written (default: runs/word_lstm)")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)

    words = words_of(read_text(args.text))[: args.most]
    vocabulary = [UNKNOWN, *(word for word, _ in Counter(words).most_common(args.words - 1))]
    number = {word: i for i, word in enumerate(vocabulary)}
    data = torch.tensor([number.get(word, 0) for word in words])
    training, held_out = strips(data[: len(data) * 9 // 10], STRIPS), strips(data[len(data) * 9 // 10 :], STRIPS)
    model = WordModel(len(vocabulary))
    print(f"{len(words):,} words, {len(set(words)):,} different, {len(vocabulary):,} of them known to the model")

    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.7)
    step = 0
    for epoch in range(1, args.epochs + 1):
        model.train()
        state = None
        for ids, following in pieces(training):
            if state is not None:
                state = tuple(s.detach() for s in state)  # remember, but send no gradients back into the last piece
            scores, state = model(ids, state)
            loss = loss_on(scores, following)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if step < 20:
                print(f"step {step:3}  loss {loss.item():#.5g}")
            step += 1
        schedule.step()
        print(f"epoch {epoch}/{args.epochs}   held-out perplexity {math.exp(evaluate(model, held_out)):.1f}")

    sample = write(model, vocabulary, 80)
    (out / "sample.txt").write_text(sample + "\n", encoding="utf-8")
    torch.save({"vocabulary": vocabulary, "model": model.state_dict()}, out / "model.pt")
    print(f"\nwhat it writes now:\n  {sample}\n")
    perplexity = math.exp(evaluate(model, held_out))
    print(f"held-out perplexity {perplexity:.1f}: as if guessing among {perplexity:.0f} words, not {len(vocabulary)}")
    print(f"sample and model in {out}")


if __name__ == "__main__":
    main()
