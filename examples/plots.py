"""The report of examples/digits.py: how the learning went, and what the network still misreads."""

import matplotlib
import numpy as np

matplotlib.use("Agg")  # draw into a file, with or without a screen
from matplotlib import pyplot as plt
from matplotlib.colors import LinearSegmentedColormap

INK, FAINT, PAPER = "#22262e", "#8b919c", "#fbfaf7"
LEARNED, HELD_OUT, WRONG = "#9aa3b2", "#1f6f8b", "#d1495b"
STYLE = {
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.edgecolor": "#c9ccd2",
    "axes.labelcolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "font.size": 10,
}
MISREAD_SHOWN = 12


def draw_report(path, history, images, labels, probabilities):
    """Write one PNG: loss and accuracy by epoch, the confusion matrix, and the misread digits.

    `history` has a dict for each epoch; `images` [N, 8, 8], `labels` [N] and `probabilities` [N, 10] are NumPy arrays
    of the held-out digits.
    """
    guesses = probabilities.argmax(1)
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(14, 8.2), dpi=120)
        outer = figure.add_gridspec(2, 1, height_ratios=[3, 1], hspace=0.32)
        figure.subplots_adjust(left=0.055, right=0.975, top=0.83, bottom=0.03)
        upper = outer[0].subgridspec(1, 3, width_ratios=[1, 1, 1.05], wspace=0.24)
        figure.text(0.055, 0.935, "Reading handwritten digits", size=20, weight="bold")
        right = (guesses == labels).sum()
        words = f"{right} of {len(labels)} digits never seen before read correctly ({right / len(labels):.1%})"
        figure.text(0.055, 0.9, words, size=12, color=FAINT)
        draw_curves(figure.add_subplot(upper[0]), "Loss", history, "loss", log=True)
        draw_curves(figure.add_subplot(upper[1]), "Accuracy", history, "accuracy")
        draw_confusion(figure.add_subplot(upper[2]), labels, guesses)
        draw_misread(figure, outer[1], images, labels, guesses, probabilities)
        figure.savefig(path)
        plt.close(figure)


def draw_curves(axes, title, history, name, log=False):
    epochs = np.arange(1, len(history) + 1)
    marker = "o" if len(history) == 1 else None  # one point makes no line
    for key, label, colour in [(name, "training", LEARNED), ("held_out_" + name, "held out", HELD_OUT)]:
        values = np.array([epoch[key] for epoch in history])
        axes.plot(epochs, values, color=colour, linewidth=2.2, marker=marker, solid_capstyle="round", label=label)
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color="#e7e6e1")
    axes.set_axisbelow(True)
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    else:
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
        axes.set_ylim(top=1.005)
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)


def draw_confusion(axes, labels, guesses):
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, guesses), 1)
    # The diagonal would drown everything else: what is right is shown in one colour, what is wrong in another.
    right = np.where(np.eye(10, dtype=bool), counts, 0)
    blues = LinearSegmentedColormap.from_list("right", [PAPER, HELD_OUT])
    axes.imshow(right, cmap=blues, vmin=0, vmax=max(right.max() * 1.15, 1))
    for row, column in np.argwhere(counts > 0):
        wrong = row != column
        if wrong:
            axes.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=WRONG))
        axes.text(column, row, counts[row, column], ha="center", va="center", size=9, color="white", weight="bold")
    axes.set_anchor("N")  # square, and level with its neighbours
    axes.set_title("Confusion matrix")
    axes.set_xlabel("read as")
    axes.set_ylabel("digit")
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.set_xticks(np.arange(-0.5, 10), minor=True)
    axes.set_yticks(np.arange(-0.5, 10), minor=True)
    axes.grid(which="minor", color="#e7e6e1", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def draw_misread(figure, place, images, labels, guesses, probabilities):
    wrong = np.flatnonzero(guesses != labels)
    # The surest mistakes first.
    wrong = wrong[np.argsort(-probabilities[wrong, guesses[wrong]], kind="stable")]
    whole = figure.add_subplot(place)
    whole.axis("off")
    whole.set_title("Misread digits" if len(wrong) else "No digit was misread", pad=14)
    if len(wrong) > MISREAD_SHOWN:
        remark = f"the {MISREAD_SHOWN} surest of {len(wrong)}"
        whole.set_title(remark, loc="right", size=10, weight="normal", color=FAINT)
    cells = place.subgridspec(1, MISREAD_SHOWN, wspace=0.28)
    for index, cell in zip(wrong, cells, strict=False):
        axes = figure.add_subplot(cell)
        axes.imshow(images[index], cmap="gray_r", vmin=0, vmax=1)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(True)
        guess = guesses[index]
        axes.set_title(f"{labels[index]} read as {guess}", size=10, color=WRONG, pad=5, loc="center")
        axes.set_xlabel(f"{probabilities[index, guess]:.0%} sure", size=9)
