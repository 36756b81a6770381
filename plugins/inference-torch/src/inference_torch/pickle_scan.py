"""Judges a pickle without running it: only what torch itself would accept with `weights_only=True`.

A small machine follows the opcodes with kinds in place of values, as torch's restricted unpickler
does with values: the same few opcodes, only allowed globals, REDUCE and NEWOBJ only on those, BUILD
only on what they made. Everything else is a finding: INST, OBJ, STACK_GLOBAL, extension codes, later
protocols' opcodes, damage. torch.save writes none of these unless it is told to, so nothing needs to
be guessed: what isn't understood is refused.

This is stricter than a list of globals, and has to be: `torch.export.load` reads some pickles with
Python's own unpickler, which would honour any opcode.

Sources: torch/_weights_only_unpickler.py, Lib/pickletools.py.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum

from inference_torch.findings import shortened

MAX_PICKLE_BYTES = 32 << 20

# Globals that torch's own list holds in every release since 2.6 (a test compares it with the torch
# that is installed). Data, not taste: add a name only if torch allows it.
_STORAGES = ("Double", "Float", "Half", "Long", "Int", "Short", "Char", "Byte", "Bool", "BFloat16",
             "ComplexDouble", "ComplexFloat", "QUInt8", "QInt8", "QInt32")  # fmt: skip
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
           "uint16", "uint32", "uint64", "bool", "complex32", "complex64", "complex128",
           "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz",
           "quint8", "qint8", "qint32", "per_tensor_affine", "per_channel_affine")  # fmt: skip
ALLOWED_GLOBALS = frozenset(
    {
        "collections.OrderedDict",
        "torch.Size",
        "torch.Tensor",
        "torch.device",
        "torch.nn.parameter.Parameter",
        "torch.serialization._get_layout",
        "torch.storage.TypedStorage",
        "torch.storage.UntypedStorage",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
        "torch._utils._rebuild_qtensor",
        "torch._utils._rebuild_sparse_tensor",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_tensor_v3",
        *(f"torch.{name}Storage" for name in _STORAGES),
        *(f"torch.{name}" for name in _DTYPES),
    }
)


class _Kind(Enum):
    VALUE = "a value"
    LIST = "a list"
    DICT = "a dict"
    OBJECT = "an object"
    MARK = "a mark"


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


# What a place of the stack holds, as far as the rules care: text and tuples are kept because the id
# of a stored tensor is a tuple that begins with "storage".
_Item = _Kind | _Global | str | tuple["_Item", ...]


class _Refused(Exception):
    """Stops the scan of one pickle; its two arguments become the finding."""


def scan_pickle(data: bytes, allowed: Collection[str] = ALLOWED_GLOBALS) -> tuple[str, str] | None:
    """What in a pickle isn't allowed, as (what, why); None if it may be unpickled.

    Args:
        data: one whole pickle, to its last byte.
        allowed: full names of the globals it may use.
    """
    if len(data) > MAX_PICKLE_BYTES:
        return f"{len(data) >> 20} MiB of pickle", f"more than {MAX_PICKLE_BYTES >> 20} MiB"
    machine = _Machine(allowed)
    position = 0
    try:
        for opcode, argument, start in pickletools.genops(data):
            machine.step(opcode.name, argument)
            position = start or 0
    except _Refused as refused:
        what, why = refused.args
        return shortened(what), why
    except Exception as error:  # noqa: BLE001 - pickletools raises many kinds on damaged data
        return "damaged pickle", shortened(error or type(error).__name__)
    if position != len(data) - 1:
        return "bytes after the pickle's end", "torch.save writes none"
    return None


class _Machine:
    def __init__(self, allowed: Collection[str]) -> None:
        self.allowed = allowed
        self.stack: list[_Item] = []
        self.memo: dict[int, _Item] = {}

    def step(self, name: str, argument: object) -> None:
        if name in _SIMPLE:
            self.stack.append(_SIMPLE[name])
        elif handler := _HANDLERS.get(name):
            handler(self, argument)
        else:
            raise _Refused(f"opcode {name}", "torch's weights_only unpickler doesn't know it")

    def pop(self) -> _Item:
        if not self.stack or self.stack[-1] is _Kind.MARK:
            raise _Refused("empty stack", "damaged or hostile pickle")
        return self.stack.pop()

    def pop_to_mark(self) -> tuple[_Item, ...]:
        items: list[_Item] = []
        while self.stack:
            item = self.stack.pop()
            if item is _Kind.MARK:
                return tuple(reversed(items))
            items.append(item)
        raise _Refused("no mark", "damaged or hostile pickle")

    def top(self, *kinds: _Kind, action: str) -> None:
        """Put back what `action` changes, if it is of one of `kinds`."""
        item = self.pop()
        if item not in kinds:
            raise _Refused(
                f"{action} on {_described(item)}", "torch's weights_only unpickler refuses it"
            )
        self.stack.append(item)

    def text(self, argument: object) -> None:
        self.stack.append(str(argument))

    def push_global(self, argument: object) -> None:
        module, _, name = str(argument).partition(" ")
        # Protocol 2 writes Python 2's name of the module, and unpicklers translate it.
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"
        if full not in self.allowed:
            raise _Refused(f"global {full}", "not on torch's weights_only list")
        self.stack.append(_Global(full))

    def call(self, _: object) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise _Refused(
                f"a call of {_described(function)}", "only allowed globals may be called"
            )
        ordered = function.name in ("collections.OrderedDict", "collections.Counter")
        self.stack.append(_Kind.DICT if ordered else _Kind.OBJECT)

    def build(self, _: object) -> None:
        self.pop()
        self.top(_Kind.OBJECT, _Kind.DICT, action="BUILD")

    def stored_tensor(self, _: object) -> None:
        identity = self.pop()
        if not (isinstance(identity, tuple) and identity[:1] == ("storage",)):
            raise _Refused("a persistent id that is no storage", "torch.save writes only storages")
        self.stack.append(_Kind.OBJECT)

    def append(self, _: object) -> None:
        self.pop()
        self.top(_Kind.LIST, action="APPEND")

    def appends(self, _: object) -> None:
        self.pop_to_mark()
        self.top(_Kind.LIST, action="APPENDS")

    def set_item(self, _: object) -> None:
        self.pop()
        self.pop()
        self.top(_Kind.DICT, action="SETITEM")

    def set_items(self, _: object) -> None:
        self.pop_to_mark()
        self.top(_Kind.DICT, action="SETITEMS")

    def mark_tuple(self, _: object) -> None:
        self.stack.append(self.pop_to_mark())

    def put(self, argument: object) -> None:
        item = self.pop()
        self.stack.append(item)
        self.memo[int(str(argument))] = item

    def get(self, argument: object) -> None:
        index = int(str(argument))
        if index not in self.memo:
            raise _Refused(f"memo entry {index}", "read before it was written")
        self.stack.append(self.memo[index])

    def stop(self, _: object) -> None:
        self.pop()
        if self.stack:
            raise _Refused("values left on the stack", "damaged or hostile pickle")

    def nothing(self, _: object) -> None:
        """PROTO: says nothing that the opcodes don't say themselves."""


def _tuple_of(count: int) -> Callable[[_Machine, object], None]:
    def make(machine: _Machine, _: object) -> None:
        items = [machine.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(items)))

    return make


def _described(item: _Item) -> str:
    if isinstance(item, _Global):
        return f"global {item.name}"
    return item.value if isinstance(item, _Kind) else f"a {type(item).__name__}"


_SIMPLE: dict[str, _Item] = {
    **dict.fromkeys(("NONE", "NEWTRUE", "NEWFALSE", "EMPTY_SET"), _Kind.VALUE),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "BINFLOAT", "LONG1"), _Kind.VALUE),
    "EMPTY_LIST": _Kind.LIST,
    "EMPTY_DICT": _Kind.DICT,
    "EMPTY_TUPLE": (),
    "MARK": _Kind.MARK,
}
_HANDLERS: dict[str, Callable[[_Machine, object], None]] = {
    "PROTO": _Machine.nothing,
    "STOP": _Machine.stop,
    "BINUNICODE": _Machine.text,
    "SHORT_BINSTRING": _Machine.text,
    "GLOBAL": _Machine.push_global,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.stored_tensor,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "TUPLE": _Machine.mark_tuple,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
}
