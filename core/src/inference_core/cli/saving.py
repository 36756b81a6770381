"""Where commands write: the folder or picture of --save, and what must not be written over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inference_core.cli.input_paths import ARRAYS, DOCUMENTS, PICTURES, VIDEOS
from inference_core.errors import InvalidArgument, InvalidInput
from inference_core.file_signature import SIGNED_WITHIN, is_pdf
from inference_core.optional import import_optional
from inference_core.package import ModelPackage

_DRAWN_AS = (".jpg", ".jpeg", ".png")
_WRITTEN = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


@contextmanager
def naming(flag: str, target: Path) -> Iterator[None]:
    """Let an error inside begin with the option that it is about.

    Raises:
        OSError: `target` can't be written.
        InvalidInput: nor can such a picture or video.
    """
    try:
        yield
    except BrokenPipeError:  # whoever reads has seen enough: no error to read about
        raise
    except OSError as error:
        why = f"{target}: {error.strerror}" if error.strerror else str(error)
        raise OSError(f"{flag} {why}") from error
    except InvalidInput as error:
        raise InvalidInput(f"{flag} {error}") from error


class SaveFolder:
    """The folder of --save, made if it doesn't exist. Two inputs of one name get two files.

    Raises:
        InvalidArgument: it is a file or looks like one, or holds the inputs.
        OSError: it can't be made.
    """

    def __init__(self, name: str, inputs: Iterable[Path]) -> None:
        self._folder = Path(name)
        if self._folder.exists() and not self._folder.is_dir():
            raise InvalidArgument(f"--save {name} is a file; it takes a folder")
        suffix = self._folder.suffix.lower()
        if not self._folder.exists() and suffix in (*PICTURES, *VIDEOS, *DOCUMENTS, *ARRAYS):
            raise InvalidArgument(
                f"--save {name} looks like a file; it takes a folder, where files are named as the "
                "inputs are"
            )
        own = self._folder.resolve()
        if any(path.resolve().parent == own for path in inputs):
            raise InvalidArgument(
                f"--save {name} holds the inputs themselves, which would be overwritten"
            )
        with naming("--save", self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        self._taken: set[Path] = set()

    def keep(self, *paths: Path) -> None:
        """Never write to these files."""
        self._taken.update(path.resolve() for path in paths)

    def save(self, result: Any, path: Path) -> Path | None:
        """Write what was found: an annotated picture, a plain graph's arrays, or a document as hOCR
        and, if it is the first page of a picture, also drawn.

        Returns:
            The file, for a document that of hOCR; None for a result that can't be drawn, such as an
            embedding.
        """
        if isinstance(result, dict):
            import numpy as np

            target = self.free(f"{path.stem}.npz")
            with naming("--save", target):
                np.savez(target, **result)
            return target
        is_document = hasattr(result, "to_hocr")
        pixels = None if is_document and not _can_be_drawn(result, path) else drawn(result, path)
        picture = path.suffix.lower() if path.suffix.lower() in _DRAWN_AS else ".png"
        kinds = [".hocr"] * is_document + [picture] * (pixels is not None)
        targets = self._free(path.stem, kinds)
        if is_document:
            with naming("--save", targets[0]):
                targets[0].write_text(result.to_hocr(source=str(path)), "utf-8")
        if pixels is not None:
            vision = import_optional("inference_vision", "inference-vision", "--save")
            with naming("--save", targets[-1]):
                vision.write_image(targets[-1], pixels)
        return next(iter(targets), None)

    def free(self, name: str) -> Path:
        """A file of that name, numbered if this run has already written one."""
        (target,) = self._free(Path(name).stem, [Path(name).suffix])
        return target

    def _free(self, stem: str, suffixes: Sequence[str]) -> list[Path]:
        """Files of one input: all have the same number, if they need one."""
        number, numbered = 1, stem
        while True:
            targets = [self._folder / f"{numbered}{suffix}" for suffix in suffixes]
            if not self._taken.intersection(each.resolve() for each in targets):
                self._taken.update(each.resolve() for each in targets)
                return targets
            number += 1
            numbered = f"{stem}-{number}"


def _can_be_drawn(document: Any, path: Path) -> bool:
    """Whether a document is of the page that is read where its file is read as a picture: the first."""
    if len(document) != 1 or document[0].number not in (None, 1):
        return False
    with open(path, "rb") as file:
        return not is_pdf(file.read(SIGNED_WITHIN))


def drawn(result: Any, picture: Any) -> Any | None:
    """The picture with a result drawn on it; None for one that can't be, such as an embedding.

    Raises:
        InvalidInput: the picture can't be read or has another size.
    """
    if not hasattr(result, "annotate"):
        return None
    try:
        return result.annotate(picture)
    except InvalidArgument:  # which says just that, and the caller says it
        return None


def picture_target(save: str) -> Path:
    """The picture that --save names; its folder is made. To be asked for before the work is done.

    Raises:
        InvalidArgument: it is a folder, or has no suffix of a picture.
        OSError: its folder can't be made.
    """
    target = Path(save)
    if target.is_dir():
        raise InvalidArgument(
            f"--save {save} is a folder; it takes a file such as {save}/drawn.png"
        )
    if target.suffix.lower() not in _WRITTEN:
        raise InvalidArgument(f"--save {save}: it takes a picture, {', '.join(_WRITTEN)}")
    with naming("--save", target):
        target.parent.mkdir(parents=True, exist_ok=True)
    return target


def file_target(name: str, flag: str) -> Path:
    """The file that `flag` names, to be asked for before the work is done.

    Raises:
        InvalidArgument: it is a folder, or there is no folder for it.
    """
    target = Path(name)
    if target.is_dir():
        raise InvalidArgument(f"{flag} {name} is a folder; it takes a file")
    if not target.parent.exists():
        raise InvalidArgument(f"{flag} {name}: there is no folder {target.parent}")
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
