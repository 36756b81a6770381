"""Ordinary architectures, as torch.export.save writes them, pass the scan and run in every precision.

The scan refuses what it doesn't know: this shows that it knows what models are made of.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from inference_core.readers import torch_file
from torch import nn
from torch.nn import functional

AUTO = torch.export.Dim.AUTO


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def forward(self, x, mask):
        return self.layer(x, src_key_padding_mask=mask)


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, 2, 1)
        self.norm = nn.GroupNorm(2, 8)
        self.up = nn.ConvTranspose2d(8, 3, 2, 2)

    def forward(self, x):
        y = functional.silu(self.norm(self.down(x)))
        larger = functional.interpolate(y, scale_factor=2, mode="bilinear")
        resized = functional.interpolate(y, size=x.shape[-2:], mode="nearest")
        padded = functional.pad(functional.max_pool2d(y, 3, 1, 1), (1, 1, 1, 1), mode="reflect")
        return self.up(y), larger + resized, padded, y.mean((2, 3))


class Selection(nn.Module):
    def forward(self, boxes, scores):
        best, index = scores.topk(3)
        chosen = torch.gather(boxes, 1, index.unsqueeze(-1).expand(-1, -1, 4))
        kept = torch.where(best > 0.5, best, torch.zeros_like(best))
        products = torch.einsum("bij,bkj->bik", chosen, chosen)
        return kept, chosen, index // 2, products, torch.arange(scores.shape[1])


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(10, 4), nn.LSTM(4, 8, batch_first=True)

    def forward(self, ids):
        return self.lstm(self.embedding(ids))


class ControlFlow(nn.Module):
    def forward(self, x):
        with torch.no_grad():
            x = x * 2
        return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))


CASES = {
    "attention": (Attention, (torch.rand(2, 5, 16), torch.zeros(2, 5, dtype=torch.bool)), 1),
    "convolutions": (Convolutions, (torch.rand(2, 3, 16, 16),), 3),
    "selection": (Selection, (torch.rand(2, 9, 4), torch.rand(2, 9)), 1),
    "recurrent": (Recurrent, (torch.randint(0, 10, (2, 3)),), 1),
    "control flow": (ControlFlow, (torch.rand(2, 3),), 0),
}


class FieldNames(nn.Module):
    """Its inputs are called as fields of the JSON are."""

    def forward(self, target, name, metadata, in_spec):
        return target + name + metadata + in_spec


def test_inputs_may_be_called_like_fields_of_the_format(tmp_path, judge, open_session) -> None:
    path = tmp_path / "names.pt2"
    example = tuple(torch.rand(2) for _ in range(4))
    torch.export.save(torch.export.export(FieldNames(), example), path)
    assert judge(path).status == "accept"
    feeds = dict.fromkeys(("target", "name", "metadata", "in_spec"), np.ones(2, np.float32))
    np.testing.assert_array_equal(open_session(path).predict(feeds)["output0"], [4, 4])


@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")  # of exporting an LSTM
@pytest.mark.parametrize("case", CASES)
def test_an_ordinary_architecture_is_accepted_and_runs_in_each_precision(
    case, tmp_path, judge, open_session
) -> None:
    make, example, axis = CASES[case]
    module = make().eval()
    shapes = [{0: AUTO, axis: AUTO} if axis < tensor.ndim else {0: AUTO} for tensor in example]
    if axis == 3:
        shapes = [{0: AUTO, 2: AUTO, 3: AUTO}]
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(module, example, dynamic_shapes=tuple(shapes)), path)
    verdict = judge(path)
    assert verdict.status == "accept", verdict.reasons
    names = [spec.name for spec in torch_file.read(path).facts["model"]["inputs"]]
    feeds = {name: tensor.numpy() for name, tensor in zip(names, example, strict=True)}
    with torch.inference_mode():
        wanted = [leaf.numpy() for leaf in torch.utils._pytree.tree_leaves(module(*example))]
    for precision, tolerance in ((None, 1e-5), ("bf16", 0.3)):
        session = open_session(path, precision=precision)
        outputs = session.predict(feeds)
        assert list(outputs) == [spec.name for spec in session.outputs]
        if case == "selection" and precision:
            continue  # another rounding may choose other boxes
        for found, exact in zip(outputs.values(), wanted, strict=True):
            assert found.dtype == exact.dtype
            np.testing.assert_allclose(found, exact, atol=tolerance, rtol=1e-4)
