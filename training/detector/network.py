"""The network and what it is trained by: boxes as ultralytics does, corners by their distance from the true ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import PoseModel
from ultralytics.utils.loss import v8PoseLoss

GAINS = {"box": 7.5, "cls": 1.0, "dfl": 1.5, "pose": 5.0}


class CornerDistance(nn.Module):
    """Mean distance of corners from the true ones, in shares of the root of the plate's area.

    The library's own keypoint loss flattens out below a tenth of a plate's width, where a reader still cares.
    """

    def forward(self, found: Tensor, true: Tensor, known: Tensor, area: Tensor) -> Tensor:
        """Average over the corners known; all in cells of the scale that found them."""
        off = (found[..., :2] - true[..., :2]).pow(2).sum(-1).add(1e-6).sqrt() / area.clamp(min=1e-3).sqrt()
        return (off * known).sum() / known.sum().clamp(min=1)


class Loss(v8PoseLoss):
    """The library's loss in full precision (half precision would round places to 1 px), corners by their distance."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.keypoint_loss = CornerDistance()

    def loss(self, preds: dict[str, Any], batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute as the library does, in float32."""
        with torch.autocast("cpu", enabled=False):
            exact = {key: [t.float() for t in v] if isinstance(v, list) else v.float() for key, v in preds.items()}
            return super().loss(exact, batch)


def new_model() -> PoseModel:
    """Build the network with fresh weights."""
    model = PoseModel(str(Path(__file__).resolve().parent / "plate-n.yaml"), ch=3, nc=1, verbose=False)
    model.names = {0: "plate"}
    model.args = get_cfg(overrides={**GAINS, "task": "pose"})
    return model.to(memory_format=torch.channels_last)


def take_over(model: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Load what a checkpoint has of this network, and name what starts fresh: a detector without corners fits too."""
    answer = model.load_state_dict(weights, strict=False)
    if answer.unexpected_keys:
        raise ValueError(f"weights of another network: {answer.unexpected_keys[:3]}")
    return list(answer.missing_keys)
