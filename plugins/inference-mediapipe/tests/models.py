"""Small models whose right answer is computable, for each of MediaPipe's tasks."""

from __future__ import annotations

import numpy as np
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
from mediapipe.tasks.metadata import schema_py_generated as schema

from .tflite_writer import Graph, bundled, with_metadata

SIDE = 8
COLOURS = ("red", "green", "blue")
WORDS = ("good", "bad", "film")
_LABELS = metadata_schema.AssociatedFileType.TENSOR_AXIS_LABELS
_VOCABULARY = metadata_schema.AssociatedFileType.VOCABULARY
_OPERATOR, _OPTIONS = schema.BuiltinOperator, schema.BuiltinOptions


def mean_colour(
    labels: tuple[str, ...] = COLOURS, described: bool = True, named: bool = True
) -> bytes:
    """Three numbers: the means of red, green and blue, 0 to 1. A classifier, if it has labels. Without
    being described, it has no metadata at all; without being named, none of its output's name."""
    graph = Graph()
    picture = graph.tensor("picture", (1, SIDE, SIDE, 3))
    axes = graph.constant("axes", np.array([1, 2], np.int32))
    means = graph.tensor("means", (1, 3))
    _reduce(graph, picture, axes, means)
    if not described:
        return graph.model([picture], [means])
    files = {"labels.txt": (_LABELS, "\n".join(labels))} if labels else None
    model = graph.model([picture], [means])
    return with_metadata(model, (0.0, 255.0), files, named_outputs=named)


def two_means() -> bytes:
    """Two outputs, each of which could be an embedding: the means of red, green and blue."""
    graph = Graph()
    picture = graph.tensor("picture", (1, SIDE, SIDE, 3))
    axes = graph.constant("axes", np.array([1, 2], np.int32))
    outputs = [graph.tensor(name, (1, 3)) for name in ("means", "again")]
    for output in outputs:
        _reduce(graph, picture, axes, output)
    return with_metadata(graph.model([picture], outputs), (0.0, 255.0))


def strongest_colour() -> bytes:
    """For each pixel three numbers: its red, green and blue. A segmenter."""
    graph = Graph()
    picture = graph.tensor("picture", (1, SIDE, SIDE, 3))
    one = graph.constant("one", np.ones(1, np.float32))
    same = graph.tensor("same", (1, SIDE, SIDE, 3))
    graph.operator(_OPERATOR.MUL, [picture, one], [same], _OPTIONS.MulOptions, schema.MulOptionsT())
    model = graph.model([picture], [same])
    return with_metadata(model, (0.0, 255.0), {"labels.txt": (_LABELS, "\n".join(COLOURS))})


def fixed_boxes(boxes: np.ndarray, classes: np.ndarray, scores: np.ndarray) -> bytes:
    """A detector that finds these boxes (top, left, bottom, right, as shares) in every picture; the
    scores are multiplied by the mean of the picture's red, 0 to 1."""
    count = len(scores)
    graph = Graph()
    picture = graph.tensor("picture", (1, SIDE, SIDE, 3))
    first = graph.constant("begin", np.zeros(4, np.int32))
    size = graph.constant("size", np.array([1, SIDE, SIDE, 1], np.int32))
    red = graph.tensor("red", (1, SIDE, SIDE, 1))
    graph.operator(
        _OPERATOR.SLICE,
        [picture, first, size],
        [red],
        _OPTIONS.SliceOptions,
        schema.SliceOptionsT(),
    )
    mean = graph.tensor("mean", (1, 1))
    _reduce(graph, red, graph.constant("axes", np.array([1, 2], np.int32)), mean)
    constants = {
        "location": boxes.reshape(1, count, 4).astype(np.float32),
        "category": classes.reshape(1, count).astype(np.float32),
        "score": scores.reshape(1, count).astype(np.float32),
        "number of detections": np.array([count], np.float32),
    }
    outputs = []
    for name, value in constants.items():
        given = graph.constant(f"{name} given", value)
        output = graph.tensor(name, value.shape)
        factor = mean if name == "score" else graph.constant(f"{name} one", np.ones(1, np.float32))
        graph.operator(
            _OPERATOR.MUL, [given, factor], [output], _OPTIONS.MulOptions, schema.MulOptionsT()
        )
        outputs.append(output)
    return with_metadata(
        graph.model([picture], outputs),
        (0.0, 255.0),
        {
            "labels.txt": (
                metadata_schema.AssociatedFileType.TENSOR_VALUE_LABELS,
                "\n".join(COLOURS),
            )
        },
        output_names=tuple(constants),
        labelled_output=1,
        boxes_output=0,
    )


def counted_words(labels: tuple[str, ...] = WORDS, missing: tuple[str, ...] = ()) -> bytes:
    """How often each of three words stands in a text, as a share of the 8 words it is cut to or filled
    up to. A classifier, if it has labels. It fails at words of its vocabulary that are `missing` in
    the graph."""
    # The tokenizer's own words come first.
    vocabulary = ("<PAD>", "<START>", "<UNKNOWN>", *WORDS)
    graph = Graph()
    ids = graph.tensor("ids", (1, SIDE), np.int32)
    table = np.zeros((len(vocabulary), len(WORDS)), np.float32)
    table[3:] = np.eye(len(WORDS))
    rows = graph.tensor("rows", (1, SIDE, len(WORDS)))
    graph.operator(
        _OPERATOR.GATHER,
        [graph.constant("table", table), ids],
        [rows],
        _OPTIONS.GatherOptions,
        schema.GatherOptionsT(),
    )
    shares = graph.tensor("shares", (1, len(WORDS)))
    _reduce(graph, rows, graph.constant("axes", np.array([1], np.int32)), shares)
    listed = "\n".join(f"{word} {index}" for index, word in enumerate((*vocabulary, *missing)))
    return with_metadata(
        graph.model([ids], [shares]),
        files={"labels.txt": (_LABELS, "\n".join(labels))} if labels else None,
        vocabulary=("vocabulary.txt", listed),
    )


def pointing(hand_landmarker: bytes) -> dict[str, bytes]:
    """Members of a bundle that tells from the trained landmarks of a hand whether it points up or down.

    Args:
        hand_landmarker: a bundle for landmarks of hands.
    """
    points = 21 * 3
    embedder = Graph()
    hand = embedder.tensor("hand", (1, 21, 3))
    others = [embedder.tensor("handedness", (1, 1)), embedder.tensor("world_hand", (1, 21, 3))]
    embedding = embedder.tensor("embedding", (1, points))
    shape = embedder.constant("shape", np.array([1, points], np.int32))
    options = schema.ReshapeOptionsT()
    options.newShape = [1, points]
    embedder.operator(
        _OPERATOR.RESHAPE, [hand, shape], [embedding], _OPTIONS.ReshapeOptions, options
    )
    names = ("hand", "handedness", "world_hand")
    embeds = with_metadata(embedder.model([hand, *others], [embedding]), input_names=names)

    classifier = Graph()
    given = classifier.tensor("embedding", (1, points))
    weights = np.zeros((3, points), np.float32)
    wrist, tip = 0 * 3 + 1, 12 * 3 + 1  # y of the wrist and of the middle finger's tip
    weights[1, wrist], weights[1, tip] = 10, -10  # y grows downwards
    weights[2] = -weights[1]
    sums, scores = classifier.tensor("sums", (1, 3)), classifier.tensor("scores", (1, 3))
    inputs = [given, classifier.constant("weights", weights)]
    inputs.append(classifier.constant("bias", np.zeros(3, np.float32)))
    classifier.operator(
        _OPERATOR.FULLY_CONNECTED,
        inputs,
        [sums],
        _OPTIONS.FullyConnectedOptions,
        schema.FullyConnectedOptionsT(),
    )
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    classifier.operator(_OPERATOR.SOFTMAX, [sums], [scores], _OPTIONS.SoftmaxOptions, softmax)
    labels = {"labels.txt": (_LABELS, "None\nUp\nDown")}
    classifies = with_metadata(classifier.model([given], [scores]), files=labels)
    recogniser = bundled(
        {"gesture_embedder.tflite": embeds, "canned_gesture_classifier.tflite": classifies}
    )
    return {"hand_landmarker.task": hand_landmarker, "hand_gesture_recognizer.task": recogniser}


def _reduce(graph: Graph, value: int, axes: int, result: int) -> None:
    options = schema.ReducerOptionsT()
    options.keepDims = False
    graph.operator(_OPERATOR.MEAN, [value, axes], [result], _OPTIONS.ReducerOptions, options)


def picture(colour: tuple[int, int, int], width: int = 40, height: int = 24) -> np.ndarray:
    """One colour, red first."""
    return np.full((height, width, 3), colour, np.uint8)
