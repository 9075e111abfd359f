"""What a TensorBoard shows of SummaryWriter's files: its dashboards, opened in a browser without a window.

One TensorBoard and one browser serve all tests of the file that one process runs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("tensorboard")
pytest.importorskip("PIL")
pytest.importorskip("matplotlib")

from headless_chromium import Browser, find_chromium, stop
from matplotlib.figure import Figure

import lampas
from lampas import nn
from lampas.utils.tensorboard import SummaryWriter

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium or Chrome to open TensorBoard in"),
]

# TensorBoard is made of elements with shadow roots, and keeps dashboards that it no longer shows.
LOOK = """
  const inside = (root) => [
    ...(root.shadowRoot ? inside(root.shadowRoot) : []),
    ...(root.contentDocument ? inside(root.contentDocument) : []),
    ...[...root.children].flatMap((e) => [e, ...inside(e)])];
  const all = (selector, root = document) => inside(root).filter((e) => e.matches(selector) && e.checkVisibility());
  const words = (node) => {
    if (node.nodeType == Node.TEXT_NODE) return node.data;
    if (node.nodeType != Node.ELEMENT_NODE && node.nodeType != Node.DOCUMENT_FRAGMENT_NODE) return "";
    if (["STYLE", "SCRIPT", "TEMPLATE"].includes(node.nodeName)) return "";
    if (node.nodeType == Node.ELEMENT_NODE && getComputedStyle(node).display == "none") return "";
    const slotted = node.localName == "slot" ? node.assignedNodes() : [];
    const parts = node.shadowRoot ?? node.contentDocument?.body ?? node;
    return [...(slotted.length ? slotted : parts.childNodes)].map(words).join(" ").replace(/\\s+/g, " ").trim();
  };
  const different = (texts) => [...new Set(texts)].sort();
  const drawn = (chart, kind = "line") => all("path." + kind, chart).filter((p) => p.getAttribute("d")).length;
"""


class Page:
    """A browser at a TensorBoard."""

    def __init__(self, browser, address):
        self.browser = browser
        self.address = address

    def look(self, expression):
        """The value of an expression that may use what LOOK defines: ``all(selector)``, ``words(element)``, ...."""
        return self.browser.evaluate(f"(() => {{ {LOOK} return {expression}; }})()")

    def show(self, dashboard):
        self.browser.open("about:blank")
        self.browser.open(f"{self.address}#{dashboard}")

    def until(self, expression, expected, seconds=60):
        """Looks again and again until the value is as expected (a value, or a function that says so)."""
        holds = expected if callable(expected) else lambda value: value == expected
        end, found = time.monotonic() + seconds, None
        while time.monotonic() < end:
            try:
                found = self.look(expression)
                if holds(found):
                    return found
            except (RuntimeError, ValueError) as error:  # the element is not there yet
                found = error
            time.sleep(0.1)
        what = "what was expected" if callable(expected) else repr(expected)
        said = self.look("words(document.body)")
        raise AssertionError(f"the page did not show {what}: {expression} is {found!r}; the page says: {said}")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(self.block(1, 4), self.block(4, 8))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32, 10))

    @staticmethod
    def block(inputs, outputs):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, image):
        return self.head(self.features(image)).log_softmax(1)


FLAG = np.zeros((3, 6, 8), np.uint8)
FLAG[0, :3], FLAG[1, 3:], FLAG[2, :, 2:4] = 255, 128, 64


def write(folder):
    for run, rate in (("fast", 0.5), ("slow", 0.25)):
        with SummaryWriter(folder / run) as writer:
            for step in range(5):
                writer.add_scalar("loss/train", lampas.tensor(2 - rate * step), step)
                writer.add_scalar("loss/test", 3 - rate * step, step)
                writer.add_histogram("weights", lampas.linspace(-1, 1, 100) * (step + 1), step)
            writer.add_hparams({"lr": rate, "optimizer": "sgd" + run}, {"accuracy": 10 * rate}, run_name="tried")
    with SummaryWriter(folder / "more") as writer:
        for step in range(3):
            writer.add_scalars("together", {"sine": np.sin(step), "cosine": np.cos(step)}, step)
        tags = ["loss/train", "loss/test"]
        writer.add_custom_scalars({"Losses": {"both": ["Multiline", tags], "band": ["Margin", [*tags, tags[0]]]}})
        writer.add_image("flag", lampas.from_numpy(FLAG), 3)
        writer.add_images("batch", lampas.rand(3, 1, 4, 5))
        writer.add_image_with_boxes("boxes", lampas.zeros(3, 40, 60), lampas.tensor([[5, 5, 30, 30]]), labels="cat")
        writer.add_figure("figure", Figure(figsize=(2, 1), dpi=50, facecolor="red"))
        writer.add_text("note", "# A heading\n\n**bold** and *leaning*\n\n| a | b |\n|---|---|\n| 1 | 2 |", 7)
        writer.add_audio("tone", lampas.sin(lampas.arange(4000) / 5), sample_rate=8000)
        writer.add_graph(Net(), lampas.rand(1, 1, 8, 8))
        writer.add_pr_curve("curve", lampas.arange(40) % 2, lampas.rand(40), 2)
        writer.add_embedding(lampas.rand(12, 5), [f"p{i}" for i in range(12)], lampas.rand(12, 3, 8, 8), tag="points")
        corners = lampas.tensor([[[1.0, 1, 1], [-1, -1, 1], [1, -1, -1], [-1, 1, -1]]])
        colours = lampas.tensor([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 0, 255]]])
        writer.add_mesh("solid", corners, colours, lampas.tensor([[[0, 2, 3], [0, 3, 1], [0, 1, 2], [1, 3, 2]]]))


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorboard")
    logs = folder / "logs"
    write(logs)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", logs, "--host", "127.0.0.1", "--port", "0"]
    said = folder / "said"
    with open(said, "wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        end = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/", said.read_text(errors="replace"))):
            assert server.poll() is None and time.monotonic() < end, "TensorBoard does not start: " + said.read_text()
            time.sleep(0.1)
        yield found[0]
    finally:
        stop(server)


@pytest.fixture(scope="module")
def page(address, tmp_path_factory):
    with Browser(find_chromium(), tmp_path_factory.mktemp("profile")) as browser:
        yield Page(browser, address)


RUNS = ["fast", "fast/tried", "more", "more/together_cosine", "more/together_sine", "slow", "slow/tried"]
HEADINGS = 'different(all("tf-card-heading").map((e) => words(e).replace(/ step .*/, "")))'


def show_all(page, dashboard):
    """A dashboard with all its cards open: those that match a filter are."""
    page.show(f"{dashboard}&tagFilter=.")


def test_time_series(page):
    page.show("timeseries")
    page.until('all("runs-data-table tb-data-table-content-row").map(words)', RUNS)
    # a table of the last points below a chart: run, smoothed, value, step
    card = 'all("card-view").find((card) => words(card).startsWith("accuracy"))'
    rows = page.until(f'all("tb-data-table-content-row", {card}).map(words)', lambda found: len(found) == 2)
    assert [row.split()[:4] for row in rows] == [["fast/tried", "5", "5", "0"], ["slow/tried", "2.5", "2.5", "0"]]


def test_scalars(page):
    show_all(page, "scalars")
    page.until(HEADINGS, [f"{tag} tag: {tag}" for tag in ("accuracy", "loss/test", "loss/train", "together")])
    page.until('words(all("tf-multi-checkbox")[0])', lambda found: set(RUNS) <= set(found.split()))
    # two runs in each chart, each as it is and smoothed
    card = 'all("tf-scalar-card").find((card) => words(card).startsWith("{}"))'
    for tag in ("loss/train", "loss/test"):
        page.until(f"drawn({card.format(tag)})", 4)


def test_images(page):
    show_all(page, "images")
    tags = ["batch", "boxes", "figure", "flag"]
    page.until(HEADINGS, [f"{tag} more tag: {tag}" for tag in tags])
    card = 'all("tf-image-loader").find((card) => words(card).startsWith("flag"))'
    page.until(f"words({card})", lambda found: "step 3" in found)
    picture = f'all("img", {card})[0]'
    page.until(f"[{picture}.naturalWidth, {picture}.naturalHeight, {picture}.complete]", [8, 6, True])
    pixels = page.look(
        f"""(() => {{
            const canvas = new OffscreenCanvas(8, 6).getContext("2d");
            canvas.drawImage({picture}, 0, 0);
            return [...canvas.getImageData(0, 0, 8, 6).data];
        }})()"""
    )
    shown = np.array(pixels).reshape(6, 8, 4)
    assert np.array_equal(shown[..., :3], FLAG.transpose(1, 2, 0)) and (shown[..., 3] == 255).all()
    sizes = (
        'Object.fromEntries(all("tf-image-loader").map((c) => [words(c).split(" ")[0], all("img", c)[0].naturalWidth]))'
    )
    page.until(sizes, {"batch": 15, "boxes": 60, "figure": 100, "flag": 8})


@pytest.mark.parametrize(("dashboard", "chart"), [("histograms", "timeseries"), ("distributions", "chart")])
def test_histograms(page, dashboard, chart):
    show_all(page, dashboard)
    page.until(HEADINGS, ["weights fast tag: weights", "weights slow tag: weights"])
    if dashboard == "histograms":  # an outline for each step
        count = 'different(all("vz-histogram-timeseries").map((e) => all("g.histogram path.outline", e).length))'
        page.until(count, [5])
    else:
        page.until(
            'different(all("vz-distribution-chart").map((e) => drawn(e, "area")))', lambda found: min(found) >= 5
        )


def test_text(page):
    show_all(page, "text")
    page.until(HEADINGS, ["note/text_summary more tag: note/text_summary"])
    for tag, text in (("h1", "A heading"), ("strong", "bold"), ("em", "leaning"), ("th", "a b"), ("td", "1 2")):
        leaves = f'all("{tag}", all("tf-text-loader")[0]).filter((e) => e.children.length == 0)'
        page.until(f'{leaves}.map(words).join(" ")', text)
    page.until('words(all("tf-text-loader")[0])', lambda found: "step 7" in found)


def test_hyperparameters(page):
    page.show("hparams")
    cells = ["fast/tried", "", "0.50000", "sgdfast", "5.0000", "slow/tried", "", "0.25000", "sgdslow", "2.5000"]
    titles = ["Trial ID", "Show Metrics", "lr", "optimizer", "accuracy"]
    page.until('all("vaadin-grid-cell-content").map(words)', titles + cells)


def test_custom_scalars(page):
    page.show("custom_scalars")
    page.until('all("tf-card-heading").map(words)', ["both", "band"])
    # two runs with two tags, each as it is and smoothed; then two runs with a line and the outline of an area
    page.until('all("vz-line-chart2").map((e) => drawn(e))', [8, 4])


def test_precision_and_recall(page):
    show_all(page, "pr_curves")
    page.until(HEADINGS, ["curve tag: curve"])
    page.until('drawn(all("tf-pr-curve-card")[0])', 1)
    page.until('words(all("tf-pr-curve-card")[0])', lambda found: "more is at step 2" in found)


def test_audio(page):
    show_all(page, "audio")
    page.until(HEADINGS, ["tone more tag: tone"])
    page.until('all("audio")[0].duration', 0.5)


def test_mesh(page, tmp_path):
    from PIL import Image

    show_all(page, "mesh")
    box = page.until(
        'all("canvas").map((e) => e.getBoundingClientRect()).map((r) => [r.left, r.top, r.right, r.bottom])[0]', bool
    )
    end = time.monotonic() + 60
    while True:
        page.browser.screenshot(tmp_path / "mesh.png")
        pixels = np.asarray(Image.open(tmp_path / "mesh.png").convert("RGB").crop([int(x) for x in box])).astype(int)
        if (np.ptp(pixels, axis=2) > 60).mean() > 0.01:  # colours, not white or grey
            break
        assert time.monotonic() < end, "the solid is not drawn"
        time.sleep(0.2)


def test_projector(page):
    page.show("projector")
    for text in ("1 tensor found", "Points: 12", "Dimension: 5", "metadata.tsv"):
        page.until('words(all("iframe")[0])', lambda found, text=text: text in found)


def test_graph(page):
    page.show("graphs")
    names = 'all("g.node[data-name]").map((e) => e.dataset.name)'
    page.until(names, lambda found: set(found) == {"input", "Net", "output"})

    def opened(name):
        node = f"all('g.node').find((e) => e.dataset.name == {json.dumps(name)})"
        page.look(f'all(".nodeshape", {node})[0].dispatchEvent(new MouseEvent("dblclick", {{bubbles: true}}))')
        page.until(names, lambda found: any(child.startswith(name + "/") for child in found))
        children = [child.removeprefix(name + "/") for child in page.look(names) if child.startswith(name + "/")]
        return sorted(child for child in children if "~" not in child)

    assert opened("Net") == ["Sequential[features]", "Sequential[head]", "log_softmax"]
    assert opened("Net/Sequential[head]") == ["Flatten[0]", "Linear[1]"]
    assert opened("Net/Sequential[features]") == ["Sequential[0]", "Sequential[1]"]
    block = "Net/Sequential[features]/Sequential[0]"
    assert opened(block) == ["Conv2d[0]", "MaxPool2d[2]", "ReLU[1]"]
    assert opened(block + "/Conv2d[0]") == ["bias", "conv2d", "weight"]
    # the shapes beside the edges
    labels = page.look('all("text").map(words)')
    assert {"1×1×8×8", "1×4×8×8", "1×8×2×2", "1×32", "1×10", "4×1×3×3"} <= set(labels)
