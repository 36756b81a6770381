"""Files, folders and globs of a command line as a list of files, in a fixed order."""

from __future__ import annotations

import difflib
import glob
from collections.abc import Sequence
from pathlib import Path

from inference_core.errors import InvalidArgument, InvalidInput

# What inference-vision reads. Videos are told by these alone, pictures only in folders.
PICTURES = (
    ".avif", ".bmp", ".dib", ".gif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo",
    ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
VIDEOS = (
    ".3g2", ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
    ".ogv", ".ts", ".webm", ".wmv",
)  # fmt: skip
DOCUMENTS = (".pdf",)
ARRAYS = (".npz",)


def expanded(
    inputs: Sequence[str], suffixes: Sequence[str]
) -> tuple[list[Path], list[InvalidInput]]:
    """The files that `inputs` mean, and an error for each that means none.

    A folder means the files with one of `suffixes` directly in it, without hidden ones, sorted by
    name; a glob ("**/*.jpg") the files it
    matches, sorted. A file that exists is taken by name even if it looks like a glob. A file named
    twice counts once.
    """
    found: dict[Path, None] = {}
    errors = []
    for text in inputs:
        try:
            found.update(dict.fromkeys(_files(text, suffixes)))
        except InvalidInput as error:
            errors.append(error)
    return list(found), errors


def cameras_and_others(inputs: Sequence[str]) -> tuple[list[int], list[str]]:
    """The indices of cameras among the inputs (numbers that name no file), and all else.

    Raises:
        InvalidArgument: several cameras: the first would never come to an end.
    """
    cameras = [text for text in inputs if _is_number(text) and not Path(text).exists()]
    if len(cameras) > 1:
        raise InvalidArgument(
            f"the cameras {' and '.join(cameras)} can't be watched by one command, for a camera has "
            "no end; start one for each"
        )
    return [int(text) for text in cameras], [text for text in inputs if text not in cameras]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 5


def refuse_as_model(name: str) -> None:
    """Refuse a picture, video or PDF in the model's place: mostly they were given the wrong way round.

    Raises:
        InvalidArgument: it is one, by its name.
    """
    suffix = Path(name).suffix.lower()
    if suffix == ".ts":  # TorchScript calls its files so, too
        return
    if suffix in (*PICTURES, *VIDEOS, *DOCUMENTS) and not Path(name).is_dir():
        raise InvalidArgument(
            f"{name} is no model; the model comes first, then what it is to run on"
        )


def _files(text: str, suffixes: Sequence[str]) -> list[Path]:
    if not text:
        raise InvalidInput("the name of an input is empty")
    path = Path(text)
    try:
        if path.is_dir():
            return _inside(path, suffixes)
        if path.exists():
            return [path]
    except InvalidInput:
        raise
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{text[:200]!r} can't be opened: {error}") from error
    if not glob.has_magic(text):
        raise InvalidInput(f"{text[:200]} {_why_missing(path, text)}")
    # Path.glob takes no absolute patterns.
    matches = sorted(Path(match) for match in glob.glob(text, recursive=True))  # noqa: PTH207
    files = [match for match in matches if match.is_file()]
    if not files:
        raise InvalidInput(f"the pattern {text!r} matches no file")
    return files


def _inside(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    # The name first: asking whether it is a file takes a look at the disk.
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )
    if not files:
        what = ".npz file" if suffixes == ARRAYS else f"file to run on ({', '.join(suffixes)})"
        raise InvalidInput(f"the folder {folder} holds no {what}")
    return files


def _why_missing(path: Path, text: str) -> str:
    if path.is_symlink():
        return f"is a link to {path.readlink()}, which doesn't exist"
    if "://" in text:
        return "is an address, and inputs are files: download it first"
    if text == "-":
        return "doesn't exist, and standard input isn't read: name a file"
    return f"doesn't exist{_closest(path)}"


def _closest(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"; there is no folder {path.parent}"
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""
