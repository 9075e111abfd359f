"""Data sets that are folders of files, one folder for each class."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from lampas.vision.datasets.vision import VisionDataset
from lampas.vision.utils import pillow

__all__ = ["IMG_EXTENSIONS", "DatasetFolder", "ImageFolder", "default_loader", "find_classes", "make_dataset"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

_Path = str | os.PathLike[str]


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether the name ends with one of the endings, which are in small letters; the name's case does not matter."""
    return filename.lower().endswith(extensions if isinstance(extensions, str) else tuple(extensions))


def is_image_file(filename: str) -> bool:
    """Whether the name is one of a kind of picture that can be read."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: _Path) -> tuple[list[str], dict[str, int]]:
    """The names of the folders in a folder, sorted, and their numbers; ``FileNotFoundError`` where there are none."""
    with os.scandir(directory) as entries:
        classes = sorted(entry.name for entry in entries if entry.is_dir())
    if not classes:
        raise FileNotFoundError(
            f"Couldn't find any class folder in {os.fspath(directory)}: each class needs a folder of its own in it"
        )
    return classes, {name: i for i, name in enumerate(classes)}


def make_dataset(
    directory: _Path,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """All files in the classes' folders, at any depth, with the number of their class, in a fixed order.

    Args:
        directory: the folder of the classes' folders.
        class_to_idx: the classes; `find_classes` finds them where it is None.
        extensions: files count that end so; or else
        is_valid_file: files count for whose path it is true. Exactly one of the two is given.
        allow_empty: accept classes with no file.

    Raises:
        ValueError: no classes, or not exactly one of ``extensions`` and ``is_valid_file``.
        FileNotFoundError: a class has no file.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    elif not class_to_idx:
        raise ValueError("class_to_idx is empty: there must be at least one class to collect files of")
    if (extensions is None) == (is_valid_file is None):
        given = "neither" if extensions is None else "both"
        raise ValueError(f"got {given} of extensions and is_valid_file: give one of them")

    def counts(path: str) -> bool:
        return has_file_allowed_extension(path, extensions) if is_valid_file is None else is_valid_file(path)  # type: ignore[arg-type]

    samples: list[tuple[str, int]] = []
    empty = []
    for name in sorted(class_to_idx):
        before = len(samples)
        for folder, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True)):
            paths = (os.path.join(folder, file) for file in sorted(files))
            samples += [(path, class_to_idx[name]) for path in paths if counts(path)]
        if len(samples) == before:
            empty.append(name)
    if empty and not allow_empty:
        message = f"Found no valid file for the classes {', '.join(empty)} in {directory}."
        if extensions is not None:
            known = extensions if isinstance(extensions, str) else ", ".join(extensions)
            message += f" Supported extensions are: {known}."
        raise FileNotFoundError(message + " Pass allow_empty=True to accept classes without files.")
    return samples


class DatasetFolder(VisionDataset):
    """Files in folders that are their classes: ``root/class/.../file``; an item is (what the loader gives, int).

    Args:
        root: the folder of the classes' folders.
        loader: called with a path, gives the sample.
        extensions, is_valid_file, allow_empty: which files count, see `make_dataset`.
        transform, target_transform: called with the sample, with the label.

    Attributes:
        classes: names, sorted. class_to_idx: their labels. samples: list of (path, label). targets: list of labels.

    >>> DatasetFolder("notes", loader=lambda path: open(path).read(), extensions=(".txt",))[0]
    """

    def __init__(
        self,
        root: _Path,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(
            self.root,
            class_to_idx=self.class_to_idx,
            extensions=extensions,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.loader = loader
        self.extensions = extensions
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: _Path,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """The samples; a subclass may get them elsewhere, out of an archive for instance."""
        if class_to_idx is None:  # a subclass's find_classes would be passed over
            raise ValueError("class_to_idx is None: pass what find_classes gives")
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: _Path) -> tuple[list[str], dict[str, int]]:
        """The classes and their labels; a subclass may choose others."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


def pil_loader(path: _Path) -> Any:
    """The picture in a file, as PIL image of mode RGB."""
    with open(path, "rb") as file:
        return pillow("Image").open(file).convert("RGB")


def accimage_loader(path: _Path) -> Any:
    """The picture in a file as accimage reads it, or Pillow where accimage cannot."""
    import accimage

    try:
        return accimage.Image(path)
    except OSError:
        return pil_loader(path)


def default_loader(path: _Path) -> Any:
    """The picture in a file, read with the backend that `set_image_backend` chose."""
    from lampas.vision import get_image_backend

    return accimage_loader(path) if get_image_backend() == "accimage" else pil_loader(path)


class ImageFolder(DatasetFolder):
    """Pictures in folders that are their classes: ``root/cat/1.png``; an item is (PIL image of mode RGB, int).

    See `DatasetFolder`; ``imgs`` is another name of ``samples``. Files count whose ending is in `IMG_EXTENSIONS`,
    or for which ``is_valid_file`` is true.

    >>> ImageFolder("pets").classes
    ['cat', 'dog']
    """

    def __init__(
        self,
        root: _Path,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(
            root,
            loader,
            IMG_EXTENSIONS if is_valid_file is None else None,
            transform=transform,
            target_transform=target_transform,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.imgs = self.samples
