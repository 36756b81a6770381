"""One loaded session ready to be called: the checks, the lock and the errors around `predict`."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from inference_core.backend import Backend
from inference_core.errors import InferenceError, PluginError
from inference_core.gate import Gate
from inference_core.hookspecs import Stream
from inference_core.processor import Graph
from inference_core.session import Session, TensorSpec
from inference_core.tensor_check import checker

_NO_OPTIONS: Mapping[str, Any] = {}


class LoadedPart:
    """A session, and the only way to call it.

    Attributes:
        batch: smallest and largest batch that the graph takes, None as largest for any.
    """

    def __init__(
        self,
        name: str,
        backend: Backend,
        session: Session,
        batch: tuple[int, int | None] | None = None,
    ) -> None:
        if session.device_arrays is not None:
            raise PluginError(
                f"backend {backend.name!r} asks for device arrays ({session.device_arrays}), which "
                "this inference-core can't pass yet; its sessions must take numpy arrays"
            )
        self.session = session
        self.graph = Graph(
            _specs(backend, "inputs", session.inputs), _specs(backend, "outputs", session.outputs)
        )
        self._name = name
        self._backend = backend
        self._predict = backend.predict()
        self._gate = Gate(name, exclusive=not session.thread_safe)
        self._check = checker(self.graph.inputs)
        self._enter, self._leave = self._gate.enter, self._gate.leave
        self._streams: weakref.WeakSet[HeldStream] = weakref.WeakSet()
        self._streams_lock = threading.Lock()
        static = _static_batch(self.graph)
        self.batch = (static, static) if static else batch or (1, None)
        self._per_input = _per_input(self.graph, static)

    def run(self, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run the graph on arrays by input name; arrays by output name.

        Raises:
            InvalidInput: a name, dtype or shape that the graph doesn't take.
            ModelClosed: the model was closed.
            PluginError: the backend raised.
        """
        self._check(feeds)
        me = self._enter()
        try:
            outputs = self._predict(self.session, feeds, _NO_OPTIONS)
        except InferenceError:
            raise
        except (Exception, SystemExit) as error:  # a plugin may raise anything
            raise self._backend.error("predict", error, f"running {self._name}") from error
        finally:
            self._leave(me)
        if type(outputs) is not dict and not isinstance(outputs, Mapping):  # the first is quick
            raise PluginError(
                f"predict of backend {self._backend.name!r} ({self._backend.record.origin}) returned "
                f"{type(outputs).__name__} instead of arrays by output name"
            )
        return outputs

    def run_batch(self, feeds: Mapping[str, Any], count: int) -> Mapping[str, Any]:
        """`run` on a batch of `count`, filled up to the graph's smallest batch.

        Outputs with a row per input are trimmed to `count` again, see `_per_input`; the others are as
        the graph gives them.
        """
        size = self.batch[0]
        if count >= size:
            return self.run(feeds)
        padded = {
            name: np.concatenate([array, np.repeat(array[-1:], size - count, axis=0)])
            for name, array in feeds.items()
        }
        outputs = self.run(padded)
        return {
            name: array[:count]
            if name in self._per_input and array.ndim and array.shape[0] == size
            else array
            for name, array in outputs.items()
        }

    def check_open(self) -> None:
        """Do nothing while the model is open.

        Raises:
            ModelClosed: it was closed.
        """
        self._gate.check()

    def call(self, inputs: Any, options: Mapping[str, Any]) -> Any:
        """Run a task session on its task's input; a stream holds the session until it ends.

        Raises:
            ModelClosed: the model was closed.
            PluginError: the backend raised.
        """
        me = self._enter()
        streaming = False
        try:
            result = self._predict(self.session, inputs, options)
            if options.get("stream"):
                stream = HeldStream(result, self, me)
                streaming = True
                with self._streams_lock:
                    self._streams.add(stream)
                if self._gate.closed:  # by a thread that couldn't know of this stream yet
                    stream.close()
                return stream
            return result
        except InferenceError:
            raise
        except (Exception, SystemExit) as error:  # a plugin may raise anything
            raise self._backend.error("predict", error, f"running {self._name}") from error
        finally:
            if not streaming:
                self._leave(me)

    def close(self) -> None:
        """End open streams and wait for calls in flight, then close the session.

        Calling it again does nothing. Streams are ended, not waited for: whoever closes the model
        may be the one who would have to read them. Called from within a prediction of the same
        thread, it returns at once, and the session is closed when that prediction ends.
        """
        self._gate.shut()
        with self._streams_lock:
            streams = list(self._streams)
        for stream in streams:
            stream.close()
        self._gate.close(self._finish)

    def _finish(self) -> None:
        try:
            self.session.close()
        except InferenceError:
            raise
        except (Exception, SystemExit) as error:  # a plugin may raise anything
            raise self._backend.error("close", error, f"closing {self._name}") from error


class HeldStream:
    """A stream of partial results; it holds its session until it ends, fails or is closed."""

    def __init__(self, stream: Stream, part: LoadedPart, holder: int) -> None:
        self._part = part
        self._holder = holder
        self._open = False
        # `close` may come from another thread, and waits for the piece that is being made.
        self._lock = threading.RLock()
        if not hasattr(stream, "__next__") or not hasattr(stream, "close"):
            kind = type(stream).__name__
            raise PluginError(
                f"predict of backend {part._backend.name!r} returned {kind} for stream=True; it "
                "returns an iterator with close()"
            )
        self._stream = stream
        self._open = True

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._lock:
            if not self._open:
                raise StopIteration
            try:
                return next(self._stream)
            except (StopIteration, InferenceError):
                self.close()
                raise
            except (Exception, SystemExit) as error:  # a plugin may raise anything
                self.close()
                raise self._error(error) from error

    def close(self) -> None:
        """Stop the stream and give the session free. Calling it again does nothing.

        Raises:
            PluginError: the backend's stream raised while it was closed.
        """
        with self._lock:
            if not self._open:
                return
            self._open = False
            try:
                self._stream.close()
            except InferenceError:
                raise
            except (Exception, SystemExit) as error:  # a plugin may raise anything
                raise self._error(error) from error
            finally:
                self._part._leave(self._holder)

    def _error(self, error: BaseException) -> PluginError:
        part = self._part
        return part._backend.error("predict", error, f"streaming from {part._name}")

    def __enter__(self) -> HeldStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _specs(backend: Backend, name: str, specs: Any) -> tuple[TensorSpec, ...]:
    if isinstance(specs, (list, tuple)) and all(isinstance(spec, TensorSpec) for spec in specs):
        return tuple(specs)
    raise PluginError(
        f"load of backend {backend.name!r} ({backend.record.origin}) gave a session whose {name} "
        "are no tuple of TensorSpec"
    )


def _static_batch(graph: Graph) -> int | None:
    """The batch that all inputs fix in their first axis, None if any leaves it open."""
    firsts = {spec.shape[0] if spec.shape else None for spec in graph.inputs}
    return firsts.pop() if len(firsts) == 1 else None


def _per_input(graph: Graph, static: int | None) -> frozenset[str]:
    """The outputs whose first axis is the batch, as far as the graph says: that of its inputs.

    Where the inputs fix the batch, an axis that is open is none: it is as long as what was found (the
    boxes of all pictures, one after the other), and that may be as many as the batch is large. What
    can't be told from the batch is an axis of the same fixed size, and, where the inputs leave the
    batch open too or the graph states no ranks, any that has its size when it runs.
    """
    return frozenset(
        spec.name
        for spec in graph.outputs
        if not spec.shape or spec.shape[0] == static or static is None
    )
