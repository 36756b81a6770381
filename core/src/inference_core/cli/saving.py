"""Where commands write: the folder or picture of --save, and what must not be written over."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from inference_core.cli.input_paths import PICTURES
from inference_core.errors import InvalidArgument
from inference_core.optional import import_optional
from inference_core.package import ModelPackage


class SaveFolder:
    """The folder of --save, made if it doesn't exist. Two inputs of one name get two files.

    Raises:
        InvalidArgument: it is a file, or holds the inputs.
    """

    def __init__(self, name: str, inputs: Iterable[Path]) -> None:
        self._folder = Path(name)
        if self._folder.exists() and not self._folder.is_dir():
            raise InvalidArgument(f"--save {name} is a file; it takes a folder")
        own = self._folder.resolve()
        if any(path.resolve().parent == own for path in inputs):
            raise InvalidArgument(
                f"--save {name} holds the inputs themselves, which would be overwritten"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._taken: set[Path] = set()

    def keep(self, *paths: Path) -> None:
        """Never write to these files."""
        self._taken.update(path.resolve() for path in paths)

    def save(self, result: Any, path: Path) -> Path:
        """Write what was found: an annotated picture, or a plain graph's arrays. The file."""
        if isinstance(result, dict):
            import numpy as np

            target = self.free(f"{path.stem}.npz")
            np.savez(target, **result)
            return target
        if not hasattr(result, "annotate"):
            raise InvalidArgument(f"--save: a {type(result).__name__} can't be drawn")
        vision = import_optional("inference_vision", "inference-vision", "--save")
        suffix = path.suffix if path.suffix.lower() in (".jpg", ".jpeg", ".png") else ".png"
        target = self.free(f"{path.stem}{suffix.lower()}")
        vision.write_image(target, result.annotate(path))
        return target

    def free(self, name: str) -> Path:
        """A file of that name, numbered if this run has already written one."""
        number, target = 1, self._folder / name
        first = target
        while target.resolve() in self._taken:
            number += 1
            target = first.with_stem(f"{first.stem}-{number}")
        self._taken.add(target.resolve())
        return target


def picture_target(save: str) -> Path:
    """The picture that --save names; its folder is made. To be asked for before the work is done.

    Raises:
        InvalidArgument: it is a folder, or has no suffix of a picture.
    """
    target = Path(save)
    if target.is_dir():
        raise InvalidArgument(
            f"--save {save} is a folder; it takes a file such as {save}/drawn.png"
        )
    if target.suffix.lower() not in PICTURES:
        raise InvalidArgument(f"--save {save}: it takes a picture, {', '.join(PICTURES)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def refuse_overwriting(target: Path, others: Iterable[Path], what: str, flag: str) -> None:
    """Refuse that `flag` names a file which is one of `others`, by whatever path or link.

    Raises:
        InvalidArgument: it is.
    """
    if target.exists() and any(each.exists() and target.samefile(each) for each in others):
        raise InvalidArgument(f"{flag} {target} {what}, and would be overwritten")


def model_files(package: ModelPackage) -> list[Path]:
    """The files that make up a model."""
    parts = [path for artifact in package.artifacts for path in artifact.parts.values()]
    return [package.root, package.root / "model.json", *parts]
