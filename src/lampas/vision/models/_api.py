"""Builders of models by name, and the files of trained weights that each can be given."""

from __future__ import annotations

import fnmatch
import functools
import json
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from lampas import nn

__all__ = [
    "Weights",
    "WeightsEnum",
    "get_model",
    "get_model_builder",
    "get_model_weights",
    "get_weight",
    "list_models",
]

_SERVER = "https://download.pytorch.org/models/"
_builders: dict[str, Callable[..., nn.Module]] = {}


@dataclass
class Weights:
    """A file of trained weights: where it lies, what to do to an image first, and what is known about it."""

    url: str
    transforms: Callable
    meta: dict[str, Any]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Weights) or (self.url, self.meta) != (other.url, other.meta):
            return False
        ours, theirs = self.transforms, other.transforms
        if isinstance(ours, functools.partial) and isinstance(theirs, functools.partial):
            return (ours.func, ours.args, ours.keywords) == (theirs.func, theirs.args, theirs.keywords)
        return ours == theirs


class WeightsEnum(Enum):
    """The files of weights for one model; `DEFAULT` is the best of them."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """The member that `obj` is or names (``"DEFAULT"``, ``"ResNet18_Weights.DEFAULT"``); None stays None.

        Raises:
            TypeError: it belongs to another model. KeyError: there is no such member.
        """
        if isinstance(obj, str):
            return cls[obj.removeprefix(cls.__name__ + ".")]
        if obj is not None and not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received {obj.__class__.__name__}."
            )
        return obj

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """The weights, downloaded unless they are in `hub`'s folder (see `hub.load_state_dict_from_url`)."""
        from lampas import hub

        return hub.load_state_dict_from_url(self.url, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}.{self._name_}"

    @property
    def url(self) -> str:
        return self.value.url

    @property
    def transforms(self) -> Callable:
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        return self.value.meta


@functools.cache
def _known() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("weights.json").read_text(encoding="utf-8"))


def weights_enum(name: str) -> type[WeightsEnum]:
    """The enum that weights.json describes under this name, as a class of the calling module."""
    from lampas.vision.transforms import InterpolationMode, _presets

    rows = dict(_known()["weights"][name])
    default = rows.pop("DEFAULT")
    members: dict[str, Weights] = {}
    for member, row in rows.items():
        options = dict(row["options"])
        if "interpolation" in options:
            options["interpolation"] = InterpolationMode(options["interpolation"])
        meta = dict(row["meta"])
        if "min_size" in meta:
            meta["min_size"] = tuple(meta["min_size"])
        meta["categories"] = _known()["categories"][row["categories"]] if row["categories"] else None
        prepare = functools.partial(getattr(_presets, row["preset"]), **options)
        members[member] = Weights(_SERVER + row["file"], prepare, meta)
    members["DEFAULT"] = members[default]
    made: Any = WeightsEnum(name, members, module=sys._getframe(1).f_globals["__name__"])  # type: ignore[call-arg]
    return made


def _deprecated(message: str) -> None:
    warnings.warn(f"{message}; say weights=... (a member of the model's weights, or None)", UserWarning, stacklevel=4)


def _chosen(enum: type[WeightsEnum], given: Any, legacy: WeightsEnum | None, what: str) -> Any:
    """The weights meant by `given`, which was a bool before there were enums."""
    if not isinstance(given, bool):
        return enum.verify(given)
    if what:
        _deprecated(f"{what}={given!r} is deprecated")
    if given and legacy is None:
        raise ValueError("No weights are available for this model")
    return legacy if given else None


def overwrite(options: dict[str, Any], name: str, value: Any) -> None:
    """Sets an option that the weights fix; ``ValueError`` where the caller wants another value."""
    if options.get(name, value) != value:
        raise ValueError(f"The parameter '{name}' expected value {value} but got {options[name]} instead.")
    options[name] = value


def load(model: nn.Module, weights: Any, progress: bool) -> None:
    """Puts the weights into the model, if any are given."""
    if weights is not None:
        model.load_state_dict(weights.get_state_dict(progress=progress, check_hash=True))


def builder(
    name: str,
    weights_enum: type[WeightsEnum],
    make: Callable[..., nn.Module],
    *args: Any,
    renew: Callable[[dict], dict] | None = None,
    legacy: str = "IMAGENET1K_V1",
    **fixed: Any,
) -> Callable[..., Any]:
    """The function that makes one model, ``make(*args, **fixed, **options)``, and fills it with weights if asked to.

    `renew` gives the entries of an old file the names they have now; `legacy` is what ``pretrained=True`` means.
    """

    def build(*given: Any, weights: Any = None, progress: bool = True, **options: Any) -> nn.Module:
        if given:
            _deprecated(f"{name} with positional arguments is deprecated")
            if len(given) > 2:
                raise TypeError(f"{name}() takes weights and progress by position, got {len(given)} arguments")
            weights, progress = (*given, progress)[:2]
        if "pretrained" in options:
            if weights is not None:
                raise TypeError(f"{name}() got both weights and pretrained, which mean the same: drop pretrained")
            weights = bool(options.pop("pretrained"))
        chosen = _chosen(weights_enum, weights, getattr(weights_enum, legacy, None), "" if given else "pretrained")
        for option, value in fixed.items():
            overwrite(options, option, value)
        if chosen is None:
            return make(*args, **options)
        if chosen.meta["categories"] is not None:
            overwrite(options, "num_classes", len(chosen.meta["categories"]))
        prepare = getattr(make, "_for_weights", None)
        finish = prepare(options, chosen) if prepare is not None else None
        model = make(*args, **options)
        state = chosen.get_state_dict(progress=progress, check_hash=True)
        model.load_state_dict(renew(dict(state)) if renew is not None else state)
        if finish is not None:
            finish(model)
        return model

    return named(build, name, weights_enum, f"{getattr(make, '__name__', name)}")


def named(build: Callable[..., Any], name: str, enum: type[WeightsEnum], kind: str) -> Callable[..., Any]:
    """Lets `build` be found under `name`, and look as if the caller's caller had written it with ``def``."""
    build.__name__ = build.__qualname__ = name
    build.__module__ = sys._getframe(2).f_globals["__name__"]
    build.__doc__ = (
        f"The model {name}, a `{kind}`; its options are keyword arguments.\n\n"
        f"Args:\n"
        f"    weights: a member of `{enum.__name__}` or its name, downloaded when first used; None: random weights.\n"
        f"    progress: show the download's progress.\n\n"
        f"Example:\n"
        f"    >>> model = {name}(weights=None)\n"
    )
    build.weights = enum
    _builders[name] = build
    return build


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names of all models, sorted: those of one module, or those that fit patterns such as ``"*resnet*"``."""

    def fitting(names: set[str], patterns: Iterable[str] | str) -> set[str]:
        patterns = [patterns] if isinstance(patterns, str) else patterns
        return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}

    names = {n for n, b in _builders.items() if module is None or b.__module__.rpartition(".")[0] == module.__name__}
    if include:
        names = fitting(names, include)
    if exclude:
        names -= fitting(names, exclude)
    return sorted(names)


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that makes the model of this name, in upper or lower case; ``ValueError`` if there is none."""
    try:
        return _builders[name.lower()]
    except KeyError:
        raise ValueError(f"Unknown model {name.lower()}") from None


def get_model(name: str, **config: Any) -> nn.Module:
    """The model of this name: ``get_model("resnet18", num_classes=10)`` is ``resnet18(num_classes=10)``."""
    return get_model_builder(name)(**config)


def get_model_weights(name: Callable | str) -> type[WeightsEnum]:
    """The enum of a model's weights, by its name or by the function that makes it."""
    return (get_model_builder(name) if isinstance(name, str) else name).weights  # type: ignore[union-attr]


def get_weight(name: str) -> WeightsEnum:
    """The weights of a full name: ``get_weight("ResNet50_Weights.IMAGENET1K_V2")``.

    Raises:
        ValueError: the name is not of the form ``Enum.MEMBER``, or there are none such.
    """
    enum_name, _, member = name.partition(".")
    if not member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    for build in _builders.values():
        enum: type[WeightsEnum] = build.weights
        if enum.__name__ == enum_name:
            return enum[member]
    raise ValueError(f"The weight enum '{enum_name}' for the specific method couldn't be retrieved.")
