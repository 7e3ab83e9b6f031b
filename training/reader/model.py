"""The plate reader's network: a picture of one plate in, a probability for every character at every place out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEIGHT, WIDTH = 48, 192
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CLASSES = len(ALPHABET) + 1  # 0 is the CTC blank
COLUMNS = WIDTH // 4


def _conv(before: int, after: int, stride: int | tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
            nn.Conv1d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm1d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class Reader(nn.Module):
    """Reads one line of text from [N, 3, 48, 192]; both heads give [N, 48, 37] logits.

    Height is folded into channels after 16-fold reduction, so the network sees a column whole and learns to pass over
    the state's name above and the slogan below. The first head trains the convolutions before the LSTM has woken up.
    """

    def __init__(self, width: int = 256, memory: int = 128) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            _conv(3, 32, 2), _conv(32, 64, 2), _conv(64, 96, 1), _conv(96, 128, (2, 1)), _conv(128, 128, (2, 1))
        )
        self.fold = nn.Sequential(
            nn.Conv1d(128 * 3, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True)
        )
        self.body = nn.Sequential(_Residual(width), _Residual(width))
        self.early = nn.Linear(width, CLASSES)
        self.drop = nn.Dropout(0.15)
        self.lstm = nn.LSTM(width, memory, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * memory, CLASSES)

    def columns(self, x: Tensor) -> Tensor:
        """One vector for each of the 48 columns: [N, 48, width]."""
        x = self.stem(x)
        return self.body(self.fold(x.flatten(1, 2))).transpose(1, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.columns(x)
        out, _ = self.lstm(self.drop(seen))
        return self.head(self.drop(out)), self.early(seen)


class Published(nn.Module):
    """The network as it is shipped: probabilities of the last head alone."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, x: Tensor) -> Tensor:
        seen = self.reader.columns(x)
        out, _ = self.reader.lstm(seen)
        return torch.softmax(self.reader.head(out), dim=2)


def decode(best: list[int]) -> str:
    """Greedy CTC: repeats collapse, blanks vanish."""
    return "".join(ALPHABET[c - 1] for i, c in enumerate(best) if c and (i == 0 or c != best[i - 1]))
