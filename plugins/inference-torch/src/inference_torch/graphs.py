"""Two things to do with an exported program's graph: compute it in another precision, and find out
which of its inputs, weights and buffers it writes to.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.fx.node import map_aggregate

_FLOATS = (torch.float32, torch.float16, torch.bfloat16)


def cast(exported: Any, dtype: torch.dtype) -> None:
    """Turn weights, constants and every dtype in the graph into `dtype`, in place.

    Integers and float64 stay. One tensor left in another dtype would make the next operator fail, so
    the dtypes that the graph names are changed, and those that it leaves to torch's default named.
    """
    for tensors in (exported.state_dict, exported.constants):
        for name, tensor in tensors.items():
            if isinstance(tensor, torch.Tensor) and tensor.dtype in _FLOATS:
                other = tensor.detach().to(dtype)
                is_parameter = isinstance(tensor, torch.nn.Parameter)
                tensors[name] = torch.nn.Parameter(other, False) if is_parameter else other

    def swap(value: Any) -> Any:
        return dtype if isinstance(value, torch.dtype) and value in _FLOATS else value

    for module in exported.graph_module.modules():
        if isinstance(module, GraphModule):
            for node in module.graph.nodes:
                node.args = map_aggregate(node.args, swap)
                node.kwargs = map_aggregate(node.kwargs, swap)
                if _makes_default_floats(node):
                    node.kwargs = {**node.kwargs, "dtype": dtype}
            module.recompile()


def _makes_default_floats(node: Node) -> bool:
    """Whether it makes a tensor from nothing (`ones`, `full`, …) without saying of which dtype."""
    schema = getattr(node.target, "_schema", None)
    if schema is None or node.kwargs.get("dtype") is not None:
        return False
    makes = any(argument.name == "dtype" and argument.kwarg_only for argument in schema.arguments)
    takes = any("Tensor" in str(argument.type) for argument in schema.arguments)
    return makes and not takes and getattr(node.meta.get("val"), "dtype", None) in _FLOATS


def written_inputs(exported: Any) -> set[str]:
    """Names of the graph's placeholders (given tensors, weights, buffers) that a run may write to.

    An operator's schema says what it writes and what its result shares memory with. Where that isn't
    known (control flow), everything counts as written.
    """
    graph_module = exported.graph_module
    signature = exported.graph_signature
    targets = {spec.target: spec.arg.name for spec in signature.input_specs if spec.target}
    written = {targets[name] for name in signature.buffers_to_mutate.values() if name in targets}
    written |= set(signature.user_inputs_to_mutate.values())
    nodes = list(graph_module.graph.nodes)
    inner = [
        m for m in graph_module.modules() if isinstance(m, GraphModule) and m is not graph_module
    ]
    if any(_written_arguments(node) for module in inner for node in module.graph.nodes):
        return {node.name for node in nodes if node.op == "placeholder"}
    shares: dict[Node, set[str]] = {}
    for node in nodes:
        inputs = node.all_input_nodes
        for argument in _written_arguments(node):
            written |= shares.get(argument, set())
        if node.op == "placeholder":
            shares[node] = {node.name}
        elif _may_return_its_input(node):
            shares[node] = set().union(*(shares.get(each, set()) for each in inputs))
    return written


def _written_arguments(node: Node) -> list[Node]:
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable:
        return []
    values = [
        node.args[index] if index < len(node.args) else node.kwargs.get(argument.name)
        for index, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    found: list[Node] = []
    map_aggregate(tuple(values), lambda v: found.append(v) if isinstance(v, Node) else None)
    return found


def _may_return_its_input(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return True  # getitem, control flow
    # Dropout returns its input as it is when it does nothing, and its schema doesn't say so.
    return "dropout" in schema.name or any(
        result.alias_info is not None for result in schema.returns
    )
