"""The text side of CLIP and its like: from texts to vectors, with the tokenizer in the package.

The tokenizer is a `tokenizer.json` as Hugging Face's `tokenizers` library writes it; that library is
imported when the first text is encoded, for pictures need none of it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from inference_core.errors import InvalidArgument, InvalidInput, InvalidModel
from inference_core.optional import import_optional
from inference_core.package import ModelPackage
from inference_core.processor import Graph
from inference_core.session import TensorSpec
from numpy.typing import NDArray

from inference_vision.batches import Run, run_rows
from inference_vision.vectors import as_vectors, vector_output

FILE = "tokenizer.json"
MAX_BYTES = 64 << 20  # of the tokenizer; CLIP's is 2 MB, the largest multilingual ones 30
CONTEXT = 77
"""Most tokens where neither graph nor settings say: what CLIP was trained with."""
END = "<|endoftext|>"
CACHED = 16
"""So many sets of texts keep their vectors; a zero-shot classifier asks for the same ones again."""


class TextEncoder:
    """Texts to vectors. Safe for threads.

    The graph takes token ids (batch, length), named `input_ids` or the only integers, and perhaps an
    `attention_mask` of the same shape, and gives (batch, D).

    Args:
        package: for messages and the tokenizer's file.
        graph: of the text part.
        file: the tokenizer's file, relative to the package.
        context: most tokens; None for what the graph says, else 77.

    Raises:
        InvalidModel: the graph has other inputs or outputs, or there is no such file.
    """

    def __init__(
        self, package: ModelPackage, graph: Graph, file: str | None, context: int | None
    ) -> None:
        self._name = package.name
        self._graph = graph
        self._output = vector_output(package, "text", graph.outputs, ("text_embeds",))
        self._ids, self._mask = _text_inputs(package, graph.inputs)
        shape = self._ids.shape or (None, None)
        self._fixed = shape[1]
        self._context = shape[1] or context or CONTEXT
        self._path = _inside(package, file or FILE)
        self._lock = threading.Lock()
        self._tokenizer: Any = None
        self._pad = 0
        self._cache: dict[tuple[str, ...], NDArray[np.float32]] = {}

    def unit_vectors(self, texts: tuple[str, ...], run: Run) -> NDArray[np.float32]:
        """float32 (texts, D), of length 1 each; kept for when the same texts are asked for again."""
        with self._lock:
            known = self._cache.pop(texts, None)
            if known is not None:
                self._cache[texts] = known  # the most recent last
                return known
        vectors = self.vectors(texts, run, normalize=True)
        vectors.setflags(write=False)
        with self._lock:
            self._cache[texts] = vectors
            while len(self._cache) > CACHED:
                del self._cache[next(iter(self._cache))]
        return vectors

    def vectors(self, texts: Sequence[str], run: Run, normalize: bool) -> NDArray[np.float32]:
        """float32 (texts, D).

        Raises:
            InvalidInput: a text is empty of tokens or has more than the model takes, or is no text.
            InferenceError: `tokenizers` isn't installed.
            InvalidModel: the tokenizer's file is damaged, or the graph gives something else.
        """
        ids, mask = self._tokens(texts)
        feeds = {self._ids.name: ids.astype(_integers(self._ids))}
        if self._mask is not None:
            feeds[self._mask.name] = mask.astype(_integers(self._mask))
        raw = run_rows(run, self._graph, feeds, self._output)
        return as_vectors(raw, len(texts), self._output, normalize)

    def _tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids and mask, both (texts, length)."""
        tokenizer = self._loaded()
        rows = []
        for text in texts:
            if not isinstance(text, str):
                raise InvalidInput(f"a text is a str, not {type(text).__name__}")
            # One by one: a batch would start a pool of threads for microseconds of work.
            row = tokenizer.encode(text).ids
            if not row or len(row) > self._context:
                raise InvalidInput(
                    f"{text[:40]!r} has {len(row)} tokens; {self._name} takes 1 to {self._context}"
                )
            rows.append(row)
        length = self._fixed or max(map(len, rows))
        ids = np.full((len(rows), length), self._pad, np.int64)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)], mask[index, : len(row)] = row, 1
        return ids, mask

    def _loaded(self) -> Any:
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer, self._pad = _tokenizer(self._path)
            return self._tokenizer


def _tokenizer(path: Path) -> tuple[Any, int]:
    """The tokenizer, which neither pads nor truncates, and the id that fills up."""
    tokenizers = import_optional("tokenizers", "inference-vision[clip]", "encoding texts")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:
        raise InvalidModel(f"{path} is no tokenizer: {error}") from error
    padding = tokenizer.padding or {}
    pad = padding.get("pad_id", tokenizer.token_to_id(END)) or 0
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, pad


def prompts(labels: Sequence[str], template: str) -> tuple[str, ...]:
    """The text for each label.

    Raises:
        InvalidArgument: the template hasn't exactly one "{}".
    """
    if template.count("{}") != 1:
        raise InvalidArgument(
            f'prompt must hold "{{}}" once, where the label goes, as in "a photo of a {{}}"; it is '
            f"{template!r}"
        )
    return tuple(template.replace("{}", label) for label in labels)


def _text_inputs(
    package: ModelPackage, inputs: Sequence[TensorSpec]
) -> tuple[TensorSpec, TensorSpec | None]:
    masks = [spec for spec in inputs if spec.name == "attention_mask"]
    others = [spec for spec in inputs if spec.name != "attention_mask"]
    fits = len(others) == 1 and (others[0].shape is None or len(others[0].shape) == 2)
    if not fits or others[0].dtype not in ("int64", "int32", "any"):
        names = ", ".join(map(str, inputs)) or "none"
        raise InvalidModel(
            f"{package.name}: the text part must take token ids (batch, length) of integers, and "
            f"perhaps an attention_mask; it has {names}"
        )
    return others[0], masks[0] if masks else None


def _integers(spec: TensorSpec) -> str:
    return "int64" if spec.dtype == "any" else spec.dtype


def _inside(package: ModelPackage, name: str) -> Path:
    """The tokenizer's file, which must lie in the package's folder, links followed."""
    path = (package.root / name).resolve()
    if not path.is_relative_to(package.root.resolve()) or not path.is_file():
        raise InvalidModel(
            f"{package.name}: there is no {name!r} in {package.root}; put the model's tokenizer there, "
            'or say where it is in the processor\'s settings in model.json: "tokenizer": "FILE"'
        )
    if path.stat().st_size > MAX_BYTES:
        raise InvalidModel(f"{path} is larger than {MAX_BYTES >> 20} MiB: that is no tokenizer")
    return path
