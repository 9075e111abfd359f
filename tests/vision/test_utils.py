"""Grids, image files and drawings."""

import io
import os

import numpy as np
import pytest
from PIL import Image

import lampas
from lampas.vision import utils

BLACK = lampas.zeros(3, 20, 20, dtype=lampas.uint8)


@pytest.mark.parametrize("count, nrow, padding", [(5, 3, 2), (6, 3, 1), (2, 8, 0), (9, 1, 2)])
def test_grid(count, nrow, padding):
    batch = np.random.default_rng(0).random((count, 3, 4, 5), dtype=np.float32)
    got = utils.make_grid(lampas.from_numpy(batch), nrow, padding, pad_value=0.5).numpy()
    columns = min(nrow, count)
    rows = -(-count // columns)
    want = np.full((3, rows * (4 + padding) + padding, columns * (5 + padding) + padding), 0.5, np.float32)
    for k in range(count):
        y, x = k // columns * (4 + padding) + padding, k % columns * (5 + padding) + padding
        want[:, y : y + 4, x : x + 5] = batch[k]
    assert np.array_equal(got, want)


def test_grid_of_one_and_of_grey():
    assert utils.make_grid(lampas.rand(4, 5)).shape == (3, 4, 5)
    assert utils.make_grid(lampas.rand(1, 1, 4, 5)).shape == (3, 4, 5)
    assert utils.make_grid([lampas.rand(1, 4, 5)] * 2).shape == (3, 8, 16)


def test_grid_normalized():
    batch = lampas.tensor([[0.0, 2.0], [1.0, 4.0]]).reshape(2, 1, 1, 2)
    before = batch.clone()
    assert utils.make_grid(batch, padding=0, normalize=True)[0].tolist() == [[0, 0.5, 0.25, 1]]
    assert utils.make_grid(batch, padding=0, normalize=True, scale_each=True)[0].tolist() == [[0, 1, 0, 1]]
    assert utils.make_grid(batch, padding=0, normalize=True, value_range=(1, 2))[0].tolist() == [[0, 1, 0, 1]]
    assert lampas.equal(batch, before)
    with pytest.raises(TypeError, match=r"value_range"):
        utils.make_grid(batch, normalize=True, value_range=[0, 1])
    with pytest.raises(TypeError, match=r"list containing <class 'int'>"):
        utils.make_grid([1])


def test_save_image(tmp_path):
    image = lampas.tensor([0.0, 0.5, 1.0, 2.0]).reshape(1, 1, 4)
    utils.save_image(image, tmp_path / "a.png")
    assert np.asarray(Image.open(tmp_path / "a.png"))[0, :, 0].tolist() == [0, 128, 255, 255]
    assert os.listdir(tmp_path) == ["a.png"]
    buffer = io.BytesIO()
    utils.save_image(lampas.rand(4, 3, 5, 5, requires_grad=True), buffer, format="png", nrow=2)
    assert Image.open(buffer).size == (16, 16)
    with pytest.raises(ValueError, match=r"unknown file extension"):
        utils.save_image(image, tmp_path / "a.xyz")
    with pytest.raises(FileNotFoundError, match=r"no folder"):
        utils.save_image(image, tmp_path / "no" / "a.png")


def test_a_failing_save_keeps_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"old")
    monkeypatch.setattr(Image.Image, "save", lambda self, file, **k: (file.write(b"half"), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        utils.save_image(lampas.rand(3, 4, 4), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"old" and os.listdir(tmp_path) == ["a.png"]


def test_boxes():
    got = utils.draw_bounding_boxes(BLACK, lampas.tensor([[2, 3, 8, 9]]), colors="red")
    want = np.zeros((20, 20), np.uint8)
    want[3:10, 2:9] = 255
    want[4:9, 3:8] = 0
    assert np.array_equal(got[0].numpy(), want) and not got[1:].any()
    box = lampas.tensor([[1, 1, 9, 9]])
    grey = utils.draw_bounding_boxes(lampas.zeros(1, 20, 20), box, ["a"], colors=(0, 255, 0), fill=True)
    assert grey.shape == (3, 20, 20) and grey.dtype == lampas.float32 and grey.max() == 1
    slanted = utils.draw_bounding_boxes(BLACK, lampas.tensor([[10, 1, 18, 10, 10, 18, 1, 10]]), colors="white")
    assert slanted[0, 18, 10] == 255 and slanted[0, 10, 10] == 0
    for boxes, options, says in (
        ([[8, 3, 2, 9]], {}, "xmin > xmax"),
        ([[1, 1, 2, 2]], {"labels": []}, "1 boxes and 0 labels"),
        ([[1, 1, 2, 2]], {"colors": []}, "for each of the 1 objects"),
        ([[1, 1, 2, 2]], {"colors": (1, 2)}, "RGB triple"),
    ):
        with pytest.raises(ValueError, match=says):
            utils.draw_bounding_boxes(BLACK, lampas.tensor(boxes), **options)
    with pytest.warns(UserWarning, match=r"No box"):
        assert utils.draw_bounding_boxes(BLACK, lampas.zeros(0, 4)) is BLACK


def test_masks():
    masks = lampas.zeros(2, 20, 20, dtype=lampas.bool)
    masks[0, :10], masks[1, 5:] = True, True
    got = utils.draw_segmentation_masks(BLACK + 100, masks, 0.5, ["red", (0, 0, 255)])
    assert got[:, 0, 0].tolist() == [177, 50, 50]
    assert got[:, 7, 0].tolist() == [50, 50, 50]
    assert got[:, 19, 0].tolist() == [50, 50, 177]
    assert utils.draw_segmentation_masks(lampas.zeros(3, 20, 20), masks[1], 1.0, "lime")[:, 19, 0].tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match=r"dtype bool"):
        utils.draw_segmentation_masks(BLACK, masks.float())
    with pytest.raises(ValueError, match=r"large"):
        utils.draw_segmentation_masks(BLACK, masks[:, 1:])


def test_keypoints():
    points = lampas.tensor([[[5, 5], [15, 15], [15, 5]]])
    seen = lampas.tensor([[True, True, False]])
    got = utils.draw_keypoints(BLACK, points, [(0, 1), (1, 2)], "blue", radius=1, width=1, visibility=seen)
    assert got[:, 10, 10].tolist() == [255, 255, 255] and got[:, 4, 5].tolist() == [0, 0, 255]
    assert not got[:, :8, 12:].any() and not got[:, 10, 15].any()
    with pytest.raises(ValueError, match=r"visibility must be"):
        utils.draw_keypoints(BLACK, points, visibility=seen[:, 1:])


@pytest.mark.parametrize("draw", [utils.draw_bounding_boxes, utils.draw_segmentation_masks, utils.draw_keypoints])
def test_not_an_image(draw):
    for image, error, says in (
        (np.zeros((3, 4, 4)), TypeError, "must be a tensor"),
        (BLACK.int(), ValueError, "uint8 or float"),
        (BLACK[None], ValueError, "not batches"),
        (BLACK[:2], ValueError, "got 2 channels"),
    ):
        with pytest.raises(error, match=says):
            draw(image, lampas.zeros(1, 1, 4))


def test_without_pillow(monkeypatch):
    utils.pillow.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"pip install pillow"):
        utils.save_image(lampas.rand(3, 4, 4), "a.png")
