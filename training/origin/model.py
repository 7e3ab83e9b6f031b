"""The network that tells where a plate comes from: a picture of the whole plate in, a probability for every origin out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEIGHT, WIDTH = 80, 160
_STATES = (
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC"
    " SD TN TX UT VT VA WA WV WI WY"
)
_COUNTRIES = "BR AR CZ SK RO DE PL HU AT FR IT ES NL BE GB"
UNKNOWN, OTHER_EU = "unknown", "EU-other"
# EU-other takes in what is European and none of the countries above; to whoever asks it is unknown.
ORIGINS = (UNKNOWN, *(f"US-{code}" for code in _STATES.split()), *_COUNTRIES.split(), OTHER_EU)


def _conv(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(width, width, 1), nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class Origin(nn.Module):
    """[N, 3, 80, 160] to [N, origins] logits.

    The last map keeps its places (5 x 10): whether a name stands above or below the number tells as much as the name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(3, 24, 2), _conv(24, 40, 2), _Residual(40), _conv(40, 80, 2), _Residual(80), _conv(80, 144, 2), _Residual(144)
        )  # fmt: skip
        self.narrow = nn.Sequential(nn.Conv2d(144, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(inplace=True))
        self.drop = nn.Dropout(0.4)
        self.head = nn.Linear(24 * (HEIGHT // 16) * (WIDTH // 16) + 144, len(ORIGINS))

    def forward(self, x: Tensor) -> Tensor:
        seen = self.body(x)
        everywhere = seen.mean((2, 3))
        return self.head(self.drop(torch.cat([self.narrow(seen).flatten(1), everywhere], 1)))


class Published(nn.Module):
    """The network as it is shipped: logits over a temperature, made probabilities."""

    def __init__(self, origin: Origin, temperature: float) -> None:
        super().__init__()
        self.origin, self.temperature = origin, temperature

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.origin(x) / self.temperature, dim=1)
