"""The pictures that the examples write: grids of images, points in a plane, curves."""

import numpy as np
from plots import FAINT, HELD_OUT, INK, LEARNED, STYLE, WRONG, plt

COLOURS = [HELD_OUT, WRONG, "#edae49", "#66a182", "#5d4a8a", "#8d6a4f", "#2e86de", "#c26dbc", "#4a4e57", "#9bbb3c"]


def _figure(width, height, title, words):
    """A figure with a heading; `top` is where the room below it begins, as a share of the height."""
    figure = plt.figure(figsize=(width, height), dpi=120)
    figure.text(0.35 / width, 1 - 0.45 / height, title, size=17, weight="bold", color=INK)
    figure.text(0.35 / width, 1 - 0.74 / height, words, size=10, color=FAINT)
    return figure, 1 - 0.95 / height


def draw_images(path, title, words, images, columns, names=None):
    """A grid of images, [N, height, width] in grey or [N, height, width, 3] in colour, from 0 to 1.

    `names` are written above the images of the first row.
    """
    rows = -(-len(images) // columns)
    scale = 9 / columns  # an image's width in inches
    tall = scale * images.shape[1] / images.shape[2]
    gap = 0.08
    side, head = 0.35, 0.25 if names else 0.0
    width = 2 * side + columns * scale + (columns - 1) * gap
    height = 0.95 + head + rows * tall + (rows - 1) * gap + side
    with plt.rc_context(STYLE):
        figure, _ = _figure(width, height, title, words)
        for index, image in enumerate(images):
            row, column = divmod(index, columns)
            left = side + column * (scale + gap)
            bottom = height - 0.95 - head - row * (tall + gap) - tall
            axes = figure.add_axes((left / width, bottom / height, scale / width, tall / height))
            axes.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="bicubic", aspect="auto")
            axes.axis("off")
            if names and row == 0:
                axes.set_title(names[column], size=10, weight="normal", color=FAINT, pad=5)
        figure.savefig(path)
        plt.close(figure)


def draw_points(path, title, words, points, labels):
    """Points [N, 2] of the plane, each class in a colour and with its label in the middle."""
    with plt.rc_context(STYLE):
        figure, top = _figure(7.5, 7.8, title, words)
        axes = figure.add_axes((0.07, 0.06, 0.88, top - 0.08))
        for label in np.unique(labels):
            cloud = points[labels == label]
            colour = COLOURS[int(label) % len(COLOURS)]
            axes.scatter(*cloud.T, s=20, color=colour, alpha=0.65, linewidths=0)
            box = {"boxstyle": "circle,pad=0.25", "facecolor": colour, "edgecolor": "white", "linewidth": 1.5}
            middle = np.median(cloud, axis=0)
            axes.text(*middle, str(label), color="white", weight="bold", ha="center", va="center", bbox=box)
        axes.grid(color="#e7e6e1")
        axes.set_axisbelow(True)
        figure.savefig(path)
        plt.close(figure)


def draw_curves(path, title, words, x, curves, xlabel, percent=False, band=None):
    """Curves over `x`: `curves` is a dict from name to values; `band` (low, high) is shaded behind the first."""
    with plt.rc_context(STYLE):
        figure, top = _figure(9, 5, title, words)
        axes = figure.add_axes((0.07, 0.12, 0.89, top - 0.19))  # the legend goes above
        if band is not None:
            axes.fill_between(x, *band, color=HELD_OUT, alpha=0.18, linewidth=0)
        colours = [HELD_OUT, WRONG, LEARNED, *COLOURS[2:]]
        marker = "o" if len(x) < 12 else None
        for colour, (name, values) in zip(colours, curves.items(), strict=False):
            axes.plot(x, values, color=colour, linewidth=2, marker=marker, solid_capstyle="round", label=name)
        if percent:
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel(xlabel)
        axes.grid(axis="y", color="#e7e6e1")
        axes.set_axisbelow(True)
        axes.legend(frameon=False, labelcolor="linecolor", loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
        figure.savefig(path)
        plt.close(figure)
