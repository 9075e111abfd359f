import copy
import pickle

import numpy as np
import pytest

import lampas
from lampas.vision import tv_tensors
from lampas.vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, Image, KeyPoints, Mask, TVTensor, Video


def boxes(**options):
    return BoundingBoxes([[0.0, 1.0, 2.0, 3.0]], **{"format": "XYXY", "canvas_size": (4, 5), **options})


def test_images_share_memory_and_get_a_channel():
    pixels = lampas.zeros(4, 5)
    image = Image(pixels)
    assert type(image) is Image and image.shape == (1, 4, 5)
    pixels[0, 0] = 7
    assert image[0, 0, 0] == 7
    assert Image([[1, 2]], dtype=lampas.float64).dtype == lampas.float64
    assert Image(lampas.zeros(2, 2), requires_grad=True).requires_grad
    assert Image(lampas.zeros(2, 2, requires_grad=True)).requires_grad


def test_images_of_pillow():
    pillow = pytest.importorskip("PIL.Image")
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(Image(pillow.fromarray(pixels)).numpy(), pixels.transpose(2, 0, 1))
    assert Mask(pillow.fromarray(pixels[:, :, 0])).shape == (1, 2, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Image(lampas.zeros(3)), "2D or higher, got 1D"),
        (lambda: Video(lampas.zeros(3, 4, 5)), "4D or higher, got 3D"),
        (lambda: boxes(clamping_mode="firm"), "None, hard or soft, got firm"),
        (lambda: BoundingBoxes(lampas.zeros(1, 1, 4), format="XYXY", canvas_size=(2, 2)), "1D or 2D tensor, got 3D"),
        (lambda: BoundingBoxes([[1, 2, 3, 4, 5]], format="XYWHR", canvas_size=(2, 2)), "floating point.*int64"),
        (lambda: KeyPoints(lampas.zeros(2, 3), canvas_size=(2, 2)), r"shape \(\.\.\., 2\), not"),
        (lambda: tv_tensors.set_return_type("list"), "'TVTensor' or 'Tensor', got list"),
        (lambda: tv_tensors.is_rotated_bounding_format(3), "str or BoundingBoxFormat, got"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_there_is_no_such_format():
    with pytest.raises(KeyError):
        boxes(format="LTRB")


def test_boxes_carry_what_they_are():
    one = BoundingBoxes([0, 1, 2, 3], format="xywh", canvas_size=(4, 5))
    assert one.shape == (1, 4) and one.format is BoundingBoxFormat.XYWH and one.clamping_mode == "soft"
    assert tv_tensors.is_rotated_bounding_format("CXCYWHR") and not tv_tensors.is_rotated_bounding_format(one.format)
    for kept in (one.clone(), one.to(lampas.float32), one.detach(), copy.copy(one), copy.deepcopy(one)):
        assert type(kept) is BoundingBoxes and kept.canvas_size == (4, 5) and kept.format is one.format
    back = pickle.loads(pickle.dumps(boxes(clamping_mode="hard")))
    assert type(back) is BoundingBoxes and back.clamping_mode == "hard" and back.tolist() == [[0, 1, 2, 3]]
    assert repr(one).endswith("format=BoundingBoxFormat.XYWH, canvas_size=(4, 5), clamping_mode=soft)")


def test_deep_copies_are_apart():
    first = KeyPoints([[1.0, 2.0]], canvas_size=(3, 3), requires_grad=True)
    second = copy.deepcopy(first)
    assert second.requires_grad and second.is_leaf and second.canvas_size == (3, 3)
    with lampas.no_grad():
        second.zero_()
    assert first.tolist() == [[1.0, 2.0]]


def test_operations_give_plain_tensors():
    image = Image(lampas.ones(3, 2, 2))
    for result in (image + 1, image[0], image.float(), lampas.stack([image]), image.add_(1), image.mean()):
        assert type(result) is lampas.Tensor
    assert type(image) is Image and image.sum() == 24
    mixed = image * boxes().sum()
    assert type(mixed) is lampas.Tensor
    with pytest.raises(TypeError):
        image + Mask(lampas.ones(2, 2))


def test_the_return_type_can_be_set():
    image = Image(lampas.ones(3, 2, 2))
    with tv_tensors.set_return_type("TVTensor"):
        assert type(image + 1) is Image
        moved = boxes() + 1
        assert type(moved) is BoundingBoxes and moved.canvas_size == (4, 5)
        assert [type(part) for part in boxes().unbind(0)] == [BoundingBoxes]
    assert type(image + 1) is lampas.Tensor
    tv_tensors.set_return_type("tvtensor")
    try:
        assert type(image + 1) is Image
    finally:
        tv_tensors.set_return_type("tensor")


def test_wrap():
    other = tv_tensors.wrap(lampas.zeros(2, 4), like=boxes(), canvas_size=(9, 9), format=BoundingBoxFormat.CXCYWH)
    assert other.canvas_size == (9, 9) and other.format is BoundingBoxFormat.CXCYWH
    assert type(tv_tensors.wrap(lampas.zeros(1), like=Mask([1]))) is Mask
    assert type(tv_tensors.wrap(lampas.zeros(1), like=lampas.zeros(1))) is lampas.Tensor


def test_a_class_of_ones_own():
    class Labels(TVTensor):
        @classmethod
        def wrap(cls, tensor, like, **kwargs):
            result = tensor.as_subclass(cls)
            result.words = kwargs.get("words", like.words)
            return result

    labels = lampas.tensor([1, 2]).as_subclass(Labels)
    labels.words = ["a", "b"]
    assert tv_tensors.wrap(lampas.tensor([3]), like=labels).words == ["a", "b"]
    assert type(labels.clone()) is Labels and type(labels + 1) is lampas.Tensor


def test_gradients_pass():
    pixels = lampas.ones(1, 2, 2, requires_grad=True)
    (Image(pixels) * 3).sum().backward()
    assert pixels.grad.tolist() == [[[3, 3], [3, 3]]]
