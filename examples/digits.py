"""Teach a small convolutional network to read handwritten digits.

The data are 1,797 real digits of 8 × 8 pixels that come with scikit-learn, so nothing is downloaded. Four fifths are
learned from; the last fifth is held out and shows how well the network reads digits it has never seen.

    python examples/digits.py                  # train, then look at runs/digits/report.png
    python examples/digits.py --epochs 5       # a shorter run
    python examples/digits.py --resume         # go on after Ctrl-C

It needs scikit-learn, matplotlib and tqdm. With `import torch` in place of `import lampas as torch` it is an ordinary
PyTorch program.
"""

import argparse
import math
import signal
import sys
import time
from pathlib import Path

from plots import draw_report
from sklearn.datasets import load_digits
from tqdm import tqdm

import lampas as torch

nn = torch.nn
F = torch.nn.functional


# ---- the data: every image is a tensor [1, 8, 8] of grey values from 0 to 1, every label a digit from 0 to 9 ----


def load_data():
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target, dtype=torch.int64)
    # The split has a seed of its own: whatever --seed says, every run is examined on the same digits.
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    held_out, training = order[: len(order) // 5], order[len(order) // 5 :]
    return (images[training], labels[training]), (images[held_out], labels[held_out])


# ---- the network ----


class DigitReader(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv3 = nn.Conv2d(64, 128, 3, padding=1)
        self.linear = nn.Linear(128 * 2 * 2, 10)

    def forward(self, x):  # [N, 1, 8, 8]
        x = F.relu(self.conv1(x))  # [N, 32, 8, 8]
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # [N, 64, 4, 4]
        x = F.max_pool2d(F.relu(self.conv3(x)), 2)  # [N, 128, 2, 2]
        x = F.dropout(x.flatten(1), 0.5, self.training)  # [N, 512]
        return self.linear(x)  # [N, 10]: one score for each digit


# ---- how well does it read? ----


@torch.no_grad()
def evaluate(model, images, labels):
    """The mean loss, the share read correctly, and for each image the probability of each digit."""
    model.eval()
    scores = model(images)
    accuracy = (scores.argmax(1) == labels).float().mean().item()
    return F.cross_entropy(scores, labels).item(), accuracy, scores.softmax(1)


# ---- Ctrl-C: the batch under way is finished first, so that what is saved is never half a step ----


class CtrlC:
    """`pressed` becomes true at Ctrl-C; a second Ctrl-C ends the program at once."""

    def __init__(self):
        self.pressed = False
        signal.signal(signal.SIGINT, self.note)

    def note(self, *_):
        self.pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


# ---- the checkpoint ----
#
# An interrupted run that is resumed ends with exactly the numbers of a run left alone. For that, the file holds all
# that the next batch depends on:
#   - the weights, and the averages of past gradients that Adam keeps;
#   - the flags, and which batch of which epoch comes next (`run`). The order of the batches in an epoch depends on the
#     seed and the epoch alone (see `batches`), so a resumed run shuffles as before and passes over what was learned;
#   - the state of the random numbers, from which dropout draws.


def save_checkpoint(path, model, optimizer, run):
    checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "run": run}
    checkpoint["random"] = torch.get_rng_state()
    if torch.cuda.is_available():
        checkpoint["random_cuda"] = torch.cuda.get_rng_state()
    torch.save(checkpoint, path)


def restore(checkpoint, model, optimizer):
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    torch.set_rng_state(checkpoint["random"])
    if "random_cuda" in checkpoint and torch.cuda.is_available():
        torch.cuda.set_rng_state(checkpoint["random_cuda"])


# ---- training ----


def batches(dataset, run, epoch):
    shuffle = torch.Generator().manual_seed(run["seed"] + epoch)
    return torch.utils.data.DataLoader(dataset, run["batch_size"], shuffle=True, generator=shuffle)


def train(model, optimizer, training, held_out, run, ctrl_c):
    """Learn until all epochs are done or Ctrl-C is pressed; `run` says where to start and is kept up to date."""
    dataset = torch.utils.data.TensorDataset(*training)
    steps = math.ceil(len(dataset) / run["batch_size"])
    bar = tqdm(
        total=run["epochs"] * steps,
        initial=len(run["history"]) * steps + run["batch"],
        unit=" batches",
        mininterval=0.1 if sys.stderr.isatty() else 10,  # into a file the bar is written now and then only
    )
    with bar:
        for epoch in range(len(run["history"]) + 1, run["epochs"] + 1):
            bar.set_description(f"epoch {epoch}/{run['epochs']}")
            start = time.perf_counter() - run["seconds"]
            model.train()
            for number, (images, labels) in enumerate(batches(dataset, run, epoch), start=1):
                if number <= run["batch"]:
                    continue  # learned before the interruption

                loss = F.cross_entropy(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

                bar.update()
                run["batch"], run["seconds"] = number, time.perf_counter() - start
                if ctrl_c.pressed:
                    return

            loss, accuracy, _ = evaluate(model, *training)
            held_out_loss, held_out_accuracy, _ = evaluate(model, *held_out)
            seconds = time.perf_counter() - start
            run["history"].append(
                {
                    "loss": loss,
                    "held_out_loss": held_out_loss,
                    "accuracy": accuracy,
                    "held_out_accuracy": held_out_accuracy,
                    "seconds": seconds,
                }
            )
            run["batch"], run["seconds"] = 0, 0.0
            bar.write(
                f"epoch {epoch:2}/{run['epochs']}   loss {loss:.4f}   training {accuracy:7.2%}   "
                f"held out {held_out_accuracy:7.2%}   {seconds:.2f} s"
            )
            sys.stdout.flush()


# ---- the command line ----

DEFAULTS = {"epochs": 20, "batch_size": 32, "lr": 0.001, "seed": 0}


def positive(kind):
    def parse(text):
        value = kind(text)
        if not 0 < value < math.inf:
            raise ValueError
        return value

    parse.__name__ = f"positive {kind.__name__}"  # what argparse calls it in its message
    return parse


def main():
    parser = argparse.ArgumentParser(description="Teach a small convolutional network to read handwritten digits.")
    parser.add_argument("--epochs", type=positive(int), help="times through the training digits (default: 20)")
    parser.add_argument("--batch-size", type=positive(int), metavar="N", help="digits in a batch (default: 32)")
    parser.add_argument("--lr", type=positive(float), help="learning rate of Adam (default: 0.001)")
    parser.add_argument("--seed", type=int, help="for first weights, shuffling and dropout (default: 0)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where to compute (default: cpu)")
    parser.add_argument("--output", default="runs/digits", metavar="FOLDER", help="for results (default: runs/digits)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")
    args = parser.parse_args()

    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: no CUDA device can be used here; leave the flag out to compute on the CPU")
    output = Path(args.output)
    checkpoint_path = output / "checkpoint.pt"
    if args.resume and not checkpoint_path.exists():
        parser.error(f"--resume: there is no {checkpoint_path} to go on from; leave the flag out to start afresh")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--output {output}: cannot make this folder: {error.strerror}")

    if args.resume:
        checkpoint = torch.load(checkpoint_path, map_location="cpu")
        run = checkpoint["run"]
    else:
        run = {**DEFAULTS, "history": [], "batch": 0, "seconds": 0.0}
    for name in DEFAULTS:
        value, flag = getattr(args, name), "--" + name.replace("_", "-")
        if value is None:
            continue
        if args.resume and name != "epochs" and value != run[name]:
            parser.error(f"{flag} {value}: the run to resume has {run[name]}; leave out {flag}, or --resume")
        if name == "epochs" and value < len(run["history"]):
            parser.error(f"--epochs {value}: the run to resume has done {len(run['history'])}; ask for more")
        run[name] = value

    torch.manual_seed(run["seed"])
    training, held_out = [[part.to(args.device) for part in pair] for pair in load_data()]
    model = DigitReader().to(args.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=run["lr"])
    if args.resume:
        restore(checkpoint, model, optimizer)
    print(
        f"{len(training[1])} digits to learn from, {len(held_out[1])} held out; "
        f"{sum(p.numel() for p in model.parameters()):,} parameters; {torch.get_num_threads()} threads"
    )

    ctrl_c = CtrlC()
    train(model, optimizer, training, held_out, run, ctrl_c)
    save_checkpoint(checkpoint_path, model, optimizer, run)
    if len(run["history"]) < run["epochs"]:
        print(f"\ninterrupted in epoch {len(run['history']) + 1}; everything so far is in {checkpoint_path}")
        print("to go on, give the same command again with --resume")
        return 130  # what a shell expects of a program ended by Ctrl-C

    _, accuracy, probabilities = evaluate(model, *held_out)
    images, labels = held_out
    report = output / "report.png"
    draw_report(report, run["history"], images.cpu().numpy()[:, 0], labels.cpu().numpy(), probabilities.cpu().numpy())
    right = round(accuracy * len(labels))
    print(f"\nread {right} of {len(labels)} held-out digits correctly ({accuracy:.2%})")
    print(f"checkpoint                                          {checkpoint_path}")
    print(f"curves, confusion matrix and the misread digits     {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
