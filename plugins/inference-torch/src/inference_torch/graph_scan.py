"""Judges the JSON of an exported program: the parts of it that torch turns into running Python.

`torch.export.load` doesn't only unpickle. It hands size expressions to `sympy.sympify`, which calls
`eval`; it looks operators up by dotted name anywhere in torch; it writes names into Python source and
executes that; it executes guards; and it imports modules that a tree's description names. So each of
these is held to the form that `torch.export.save` gives it. What doesn't fit is a finding.

Sources: torch/_export/serde/serialize.py, torch/export/_unlift.py, torch/utils/_pytree.py,
torch/fx/graph.py.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from inference_torch.findings import Finding, shortened

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DOTTED = re.compile(r"[A-Za-z0-9_.\-]*", re.ASCII)
_TEXT = re.compile(r"[\w.+\-]*", re.ASCII)
_SYMBOL = re.compile(r"[a-z]+[0-9]+", re.ASCII)

_OPERATOR = re.compile(
    r"torch\.ops\.(aten|quantized_decomposed|torchvision|prims)\.([a-zA-Z_]\w*)(\.\w+)?", re.ASCII
)
# Operators of aten that write or open files, or print.
_REFUSED_OPERATORS = frozenset({"save", "from_file", "_print", "warn", "load"})
# aten's operators on bits keep the names of Python's methods; no other name has two underscores.
_BITS = frozenset(
    f"__{name}__"
    for name in (
        "and",
        "or",
        "xor",
        "lshift",
        "rshift",
        "iand",
        "ior",
        "ixor",
        "ilshift",
        "irshift",
    )
)
_CONTROL_FLOW = frozenset(
    f"torch.ops.higher_order.{name}"
    for name in ("cond", "while_loop", "map_impl", "scan", "associative_scan", "invoke_subgraph",
                 "wrap_with_set_grad_enabled", "wrap_with_autocast")
)  # fmt: skip
_PLAIN_FUNCTION = re.compile(
    r"(_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|neg|pos|pow|and_|or_|not_|eq|ne|lt|le|gt|ge)"
    r"|math\.(ceil|floor|trunc|sqrt)|torch\.sym_\w+|torch\._sym_\w+)"
)  # fmt: skip

# The functions that torch writes into size expressions, and sympy's of the same kind.
_EXPRESSION_FUNCTION = re.compile(
    "Symbol|Integer|Float|Rational|Add|Mul|Pow|Max|Min|Mod|Abs|floor|ceiling|Eq|Equality|Ne"
    "|Unequality|Lt|StrictLessThan|Le|LessThan|Gt|StrictGreaterThan|Ge|GreaterThan|And|Or|Not"
    "|FloorDiv|ModularIndexing|Where|PythonMod|CleanDiv|CeilToInt|FloorToInt|CeilDiv|LShift|RShift"
    "|PowByNatural|FloatPow|FloatTrueDiv|IntTrueDiv|IsNonOverlappingAndDenseIndicator"
    "|TruncToFloat|TruncToInt|RoundToInt|RoundDecimal|ToFloat|Identity"
)
_EXPRESSION_NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.operator, ast.unaryop,
    ast.boolop, ast.cmpop, ast.expr_context, ast.keyword,
)  # fmt: skip
_BY_NAME = (
    "tensor_values",
    "sym_int_values",
    "sym_bool_values",
    "sym_float_values",
    "range_constraints",
)
_TREES = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")


def scan_program(member: str, data: bytes) -> list[Finding]:
    """Everything in an exported program's JSON that isn't in the form torch.export.save gives it.

    Args:
        member: its name in the archive, for the findings.
        data: its bytes.
    """
    try:
        program = json.loads(data.decode("utf-8"))
        return [Finding(member, shortened(what), why) for what, why in _walk(program)]
    except (ValueError, RecursionError) as error:
        return [Finding(member, "unreadable JSON", shortened(error))]


def _walk(program: Any) -> Iterator[tuple[object, str]]:
    """(what, why) for each entry, at any depth, that one of the rules refuses."""
    waiting = [program]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, dict):
            for key, entry in value.items():
                if key in _BY_NAME and isinstance(entry, dict):
                    waiting.extend(entry.values())  # its keys are the model's names, not fields
                elif not _are_notes(key, entry):
                    if (rule := _RULES.get(key)) is not None and (why := rule(entry)):
                        yield entry, why
                    if isinstance(entry, dict | list):
                        waiting.append(entry)


def _are_notes(key: str, entry: Any) -> bool:
    """Texts about a node or graph: torch looks names up in them, and runs nothing."""
    return key == "metadata" and isinstance(entry, dict) and all(map(_is_text, entry.values()))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _name(value: Any) -> str | None:
    if value is None or value == "":
        return None
    fits = isinstance(value, str) and _NAME.fullmatch(value)
    return None if fits else "a name that isn't an identifier"


def _names(value: Any) -> str | None:
    return next(filter(None, map(_name, value or [])), None)


def _keys(value: Any) -> str | None:
    return next(filter(None, map(_dotted, value or [])), None)


def _dotted(value: Any) -> str | None:
    fits = value is None or (isinstance(value, str) and _DOTTED.fullmatch(value))
    return None if fits else "a name with characters that torch.export.save never writes"


def _target(value: Any) -> str | None:
    if not isinstance(value, str):
        return "an operator that isn't text"
    if value in _CONTROL_FLOW or _PLAIN_FUNCTION.fullmatch(value):
        return None
    found = _OPERATOR.fullmatch(value)
    if found and found.group(2) not in _REFUSED_OPERATORS:
        name = found.group(2)
        if name in _BITS or not name.startswith("__"):
            return None
    return "an operator outside the ones that only compute"


def _expression(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > 20_000:
        return "no expression, or too long a one"
    return None if _is_plain(value) else "an expression that isn't plain arithmetic"


@functools.lru_cache(maxsize=1024)  # a graph repeats its few sizes at every tensor
def _is_plain(text: str) -> bool:
    try:
        return all(map(_is_arithmetic, ast.walk(ast.parse(text, mode="eval"))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _is_arithmetic(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name)  # its name is checked as a node of its own
    if isinstance(node, ast.Name):
        return bool(_EXPRESSION_FUNCTION.fullmatch(node.id) or _SYMBOL.fullmatch(node.id))
    if isinstance(node, ast.Constant):
        # Text is a symbol's name or a number's digits: sympy would evaluate anything else again.
        text = node.value if isinstance(node.value, str) else ""
        return _TEXT.fullmatch(text) is not None
    return isinstance(node, _EXPRESSION_NODES)


def _guards(value: Any) -> str | None:
    """Guards compare sizes: `L['x'].size()[0] <= 8`. Inputs are replaced by a symbol, then checked."""
    if not isinstance(value, list) or not all(isinstance(guard, str) for guard in value):
        return "guards that aren't a list of text"
    size = re.compile(
        r"L(\['?\w+'?\])+(\.size\(\)\[\d+\]|\.storage_offset\(\)|\.stride\(\)\[\d+\])?", re.ASCII
    )
    for guard in value:
        if _expression(size.sub("s0", guard)):
            return "a guard that isn't a comparison of sizes"
    return None


def _tree(value: Any) -> str | None:
    """A tree of inputs or outputs, as text that holds JSON: [version, {type, context, children}]."""
    if value in (None, ""):
        return None
    try:
        _version, node = json.loads(value)
        nodes = [node]
        while nodes:
            node = nodes.pop()
            context = node["context"] or ""
            if node["type"] not in _TREES:
                return f"a structure of type {shortened(node['type'])}"
            keys = json.loads(context) if context else None
            if keys is not None and not (isinstance(keys, list) and not _bad_keys(keys)):
                return "a structure with something else than plain keys"
            nodes.extend(node["children_spec"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return "a structure that can't be read"
    return None


def _bad_keys(keys: list[Any]) -> bool:
    # Keys of the keyword arguments become names in Python source.
    return any(not isinstance(key, str) or not _DOTTED.fullmatch(key) for key in keys)


def _must_be_empty(value: Any) -> str | None:
    return "a custom object: loading it runs code of its own" if value else None


_RULES = {
    "name": _name,
    "as_name": _name,
    "as_graph_name": _name,
    "forward_arg_names": _names,
    "as_string_to_argument": _keys,
    "parameter_name": _dotted,
    "buffer_name": _dotted,
    "tensor_constant_name": _dotted,
    "custom_obj_name": _dotted,
    "user_input_name": _dotted,
    "fqn": _dotted,
    "target": _target,
    "as_operator": _target,
    "expr_str": _expression,
    "guards_code": _guards,
    "in_spec": _tree,
    "out_spec": _tree,
    "custom_obj": _must_be_empty,
    "as_custom_obj": _must_be_empty,
    "custom_obj_values": _must_be_empty,
    "treespec_namedtuple_fields": _must_be_empty,
}
