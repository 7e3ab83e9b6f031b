"""The GPU: JPEGs are decoded there, pictures stay there, and only what surrounds a plate comes back.

Both networks run in ONNX Runtime on one CUDA context, so one process holds them; paddle and its own CUDA libraries are
not loaded. The detector runs in half precision. Nothing here falls back to the processor: what does not run on the card is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from alpr_recognizer.models.backend import Array, Backend, Graph, Held, Place
from alpr_recognizer.models.finder import GRAY, Finder, Fit, Rows, decode, fit_into
from alprcore.errors import InvalidMessage, Misconfigured

logger = logging.getLogger(__name__)

PROVIDER: Final = "CUDAExecutionProvider"
_FRAMES_AT_ONCE: Final = 32  # 1080p: 200 MB decoded
_AROUND: Final = (1.0, 1.6)  # of a plate's width and height on each side: for cuts, the close-up and the paint
_F = TypeVar("_F")


class GpuBackend(Backend):
    """ONNX Runtime with CUDA, torch for pictures. `device` and `provider` are for tests without a card."""

    name = "gpu"
    at_once = _FRAMES_AT_ONCE
    alone = True
    batches = True

    def __init__(self, device: str = "cuda", provider: str = PROVIDER) -> None:
        import onnxruntime
        import torch

        if device == "cuda":
            onnxruntime.preload_dlls()  # the CUDA libraries are packages beside it, where a loader does not look
        self._torch, self._device, self._provider = torch, device, provider
        self._on_card = self._decodes_on_card()
        card = torch.cuda.get_device_name() if device == "cuda" else device
        jpegs = "JPEGs decoded there" if self._on_card else "JPEGs decoded on the processor"
        self._says = f"{card}, onnxruntime {onnxruntime.__version__}, detector in float16, {jpegs}"

    @property
    @override
    def words(self) -> str:
        return self._says

    def _decodes_on_card(self) -> bool:
        """Try one JPEG; builds of torchvision without nvJPEG exist, and that must be known."""
        if self._device != "cuda":
            return False
        import cv2

        _, data = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))
        try:
            self._decode_there([bytes(data)])
        except RuntimeError as error:
            logger.warning("jpegs_decoded_on_processor", extra={"reason": str(error)[:200]})
            return False
        return True

    def _decode_there(self, jpegs: Sequence[bytes]) -> list[Held]:
        from torchvision.io import ImageReadMode, decode_jpeg

        coded = [self._torch.frombuffer(bytearray(data), dtype=self._torch.uint8) for data in jpegs]
        pictures = decode_jpeg(coded, mode=ImageReadMode.RGB, device=self._device)
        return [picture.flip(0).permute(1, 2, 0) for picture in pictures]  # blue first, like everywhere

    @override
    def decode(self, jpegs: Sequence[bytes]) -> list[Held]:
        if not self._on_card:
            return [self.put(picture) for picture in super().decode(jpegs)]
        try:
            return self._decode_there(jpegs)
        except RuntimeError as error:
            raise InvalidMessage("NOT_A_JPEG", "the image cannot be decoded") from error

    @override
    def put(self, picture: NDArray[np.uint8]) -> Held:
        return self._torch.from_numpy(np.ascontiguousarray(picture)).to(self._device)

    @override
    def around(self, held: Held, found: _F) -> Place[_F]:
        height, width = held.shape[:2]
        plate: Any = found
        mx, my = (share * side for share, side in zip(_AROUND, (plate.box.width, plate.box.height), strict=True))
        x0, y0 = max(0, int(plate.box.x - mx)), max(0, int(plate.box.y - my))
        x1 = min(width, int(plate.box.x + plate.box.width + mx) + 1)
        y1 = min(height, int(plate.box.y + plate.box.height + my) + 1)
        piece = held[y0:y1, x0:x1].contiguous().cpu().numpy()
        return Place(piece, plate.moved(-x0, -y0), found)

    @override
    def open(self, file: Path) -> Graph:
        return self._graph(file, str(file))  # the small ones: float32, their probabilities are calibrated in it

    def _graph(self, file: Path, model: str | bytes) -> Graph:
        import onnxruntime

        session = onnxruntime.InferenceSession(model, providers=[self._provider])
        ran = session.get_providers()
        if not ran or ran[0] != self._provider:  # it says so in a warning only, and runs on the processor
            raise Misconfigured(
                f"ALPR_RECOGNIZER_BACKEND: {file.name} would run on {', '.join(ran) or 'nothing'} instead of the GPU; "
                "the CUDA libraries do not fit onnxruntime-gpu"
            )
        return _CardGraph(session, self._torch, self._device)

    @override
    def finder(self, file: Path, *, confidence: float, iou: float) -> Finder:
        return _CardFinder(self._graph(file, half(file)), self._torch, confidence=confidence, iou=iou)


def half(file: Path) -> bytes:
    """Turn a float32 ONNX file to half precision; what goes in and comes out stays float32."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(onnx.load(str(file)), keep_io_types=True)
    content: bytes = model.SerializeToString()
    return content


class _CardGraph(Graph):
    """Reads from and writes to the card's memory, and looks where the answer lies."""

    def __init__(self, session: Any, torch: Any, device: str) -> None:
        self._session, self._torch, self._device = session, torch, device
        (given,) = session.get_inputs()
        self._in, self._out = given.name, session.get_outputs()[0].name

    @override
    def __call__(self, batch: Any) -> Array:
        if isinstance(batch, np.ndarray):
            batch = self._torch.from_numpy(batch).to(self._device)
        batch = batch.contiguous()
        binding = self._session.io_binding()
        binding.bind_input(self._in, self._device, 0, np.float32, tuple(batch.shape), batch.data_ptr())
        binding.bind_output(self._out, self._device)
        if self._device == "cuda":
            self._torch.cuda.current_stream().synchronize()  # onnxruntime has a stream of its own
        self._session.run_with_iobinding(binding)
        (answer,) = binding.get_outputs()
        if answer.device_name() != self._device:
            raise RuntimeError(f"the answer lies on {answer.device_name()}, not on {self._device}")
        return np.asarray(answer.numpy(), np.float32)


class _CardFinder(Finder):
    def __init__(self, graph: Graph, torch: Any, *, confidence: float, iou: float) -> None:
        self._graph, self._torch, self._confidence, self._iou = graph, torch, confidence, iou

    @override
    def __call__(self, pictures: Sequence[Any], size: int) -> list[Rows]:
        height, width = pictures[0].shape[:2]
        fit = fit_into(width, height, size)
        output = self._graph(self._letterboxed(pictures, fit))
        return [decode(anchors, fit, width, height, self._confidence, self._iou) for anchors in output]

    def _letterboxed(self, pictures: Sequence[Any], fit: Fit) -> Any:
        functional = self._torch.nn.functional
        stack = self._torch.stack(list(pictures)).flip(3).permute(0, 3, 1, 2).float()
        small = functional.interpolate(stack, (fit.inner[1], fit.inner[0]), mode="bilinear", align_corners=False)
        right, low = fit.outer[0] - fit.left - fit.inner[0], fit.outer[1] - fit.top - fit.inner[1]
        return functional.pad(small.round(), (fit.left, right, fit.top, low), value=GRAY) / 255
