"""What the models run on: chosen once at start, said aloud, and never changed behind anybody's back.

Every backend runs the same exported graphs; that they answer alike is tested. A processor looks at one frame a thread,
because frames side by side need no barrier between layers; a GPU looks at many frames at once.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from alpr_recognizer.models.finder import Finder, GraphFinder
from alprcore.errors import InvalidMessage, Misconfigured

Array = NDArray[np.float32]
_F = TypeVar("_F")

NAMES: Final = ("auto", "cpu-openvino", "cpu-onnxruntime", "gpu", "reference")
"""What a setting may ask for. `reference`: ultralytics and PaddleOCR themselves, which the others are compared with."""

SOURCE: Final = "plateline_source_sha256"
"""Under this name a rounded model says of which weights it was made."""
_OFTEN: Final = 200  # batches of one shape: a camera; compiling for it takes a second, once
_MOST_OWN: Final = 4
_SIDE: Final = (32, 4096)  # pixels; with bounds known, OpenVINO's dynamic shapes cost 12 % instead of 20


class Graph(Protocol):
    """One model, ready to run."""

    def __call__(self, batch: Any) -> Array:
        """Run over a batch and answer the first output, N first; any thread may ask.

        N x channels x height x width, float32; a finder made with `raw` hands over N x height x width x 3, uint8.
        """


Held = Any
"""A decoded picture where the backend keeps it: height x width x 3, uint8; in memory blue first, an array."""


@dataclass(frozen=True, slots=True)
class Place(Generic[_F]):
    """A plate with what is around it, in memory: the picture, the plate in it, and the plate in the whole frame."""

    picture: NDArray[np.uint8]
    found: _F
    original: _F


class Backend(ABC):
    """Something that models run on, and that pictures are decoded to."""

    name: str
    at_once: int
    """Frames worth handing over in one call."""
    alone = False
    """Whether only one thread at a time may use it."""
    batches = False
    """Whether frames go through the models together."""

    @property
    @abstractmethod
    def words(self) -> str:
        """For people: what it is, in which version, with how many threads; complete when the models are open."""

    @abstractmethod
    def open(self, file: Path) -> Graph:
        """Make an ONNX file ready to run. Raises `Misconfigured` when it would run elsewhere than was announced."""

    def finder(self, file: Path, *, confidence: float, iou: float) -> Finder:
        """Make a detector's ONNX file ready to find plates."""
        return GraphFinder(self.open(file), confidence=confidence, iou=iou)

    def settle(self) -> None:
        """Get quick at the sizes of pictures seen so far, once, at start; most backends have nothing to do for it."""
        return

    def decode(self, jpegs: Sequence[bytes]) -> list[Held]:
        """Decode JPEGs that were checked. Raises `InvalidMessage` NOT_A_JPEG."""
        return [_decode(data) for data in jpegs]

    def put(self, picture: NDArray[np.uint8]) -> Held:
        """Hold a picture that is in memory."""
        return picture

    def around(self, held: Held, found: _F) -> Place[_F]:
        """Bring a plate and its surroundings into memory."""
        return Place(held, found, found)


def _decode(data: bytes) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise InvalidMessage("NOT_A_JPEG", "the image cannot be decoded")
    return np.asarray(picture, np.uint8)


class OnnxRuntimeBackend(Backend):
    """ONNX Runtime on the processor, float32: works on every machine."""

    name = "cpu-onnxruntime"

    def __init__(self, threads: int) -> None:
        import onnxruntime

        self.at_once = frames_at_once(threads)
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = 1  # the caller's own: frames run side by side
        self._options.inter_op_num_threads = 1
        self._options.enable_cpu_mem_arena = False  # frames of many sizes would each keep an arena
        self._session = onnxruntime.InferenceSession
        self._says = f"cpu, onnxruntime {onnxruntime.__version__}, float32, {threads} threads"

    @property
    @override
    def words(self) -> str:
        return self._says

    @override
    def open(self, file: Path) -> Graph:
        session = self._session(str(file), self._options, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        name = given.name
        return lambda batch: np.asarray(session.run(None, {name: batch})[0], np.float32)


class OpenVinoBackend(Backend):
    """OpenVINO on the processor: bfloat16 where the processor multiplies it in hardware, float32 elsewhere.

    A detector that was rounded to 8 bits for its present weights (`training/quantize.py`) is taken instead, where the
    processor adds such products without overflow.
    """

    name = "cpu-openvino"

    def __init__(self, threads: int) -> None:
        import openvino

        self.at_once = frames_at_once(threads)
        self._core = openvino.Core()
        self._graphs: list[_ShapesGraph] = []
        short = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self._bytes = bool({"avx512_vnni", "avx_vnni", "avx512vnni"} & _processor_flags())
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if short else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": str(threads),  # one thread a frame
            "ENABLE_CPU_PINNING": False,  # the machine has other work, and a container sees cores that are not its own
        }
        self._says = [
            "cpu",
            f"openvino {openvino.__version__.partition('-')[0]}",
            "bfloat16" if short else "float32",
            f"{threads} threads",
        ]

    @property
    @override
    def words(self) -> str:
        return ", ".join(self._says)

    @override
    def finder(self, file: Path, *, confidence: float, iou: float) -> Finder:
        rounded = file.with_suffix(".int8.xml")
        whole = not self._bytes or not rounded.exists()
        model = self._core.read_model(file if whole else rounded)
        if not whole:
            source = str(model.get_rt_info(SOURCE).value)
            if source != hashlib.sha256(file.read_bytes()).hexdigest():
                raise Misconfigured(
                    f"{rounded.name} was made from another {file.name}: run training/quantize.py, or remove it"
                )
            self._says.append("detector in int8")
        model.reshape([-1, 3, _SIDE, _SIDE])
        graph = self._graph(_from_pictures(model))
        return GraphFinder(graph, confidence=confidence, iou=iou, raw=True)

    @override
    def settle(self) -> None:
        for graph in self._graphs:
            graph.settle()

    @override
    def open(self, file: Path) -> Graph:
        return self._graph(self._core.read_model(file))

    def _graph(self, model: Any) -> Graph:
        self._graphs.append(_ShapesGraph(self._core, model, self._settings))
        return self._graphs[-1]


def _from_pictures(model: Any) -> Any:
    """Let a network take pictures as bytes, blue first: a quarter of the memory to move, 1 ms less a frame."""
    from openvino import Layout, Type
    from openvino.preprocess import ColorFormat, PrePostProcessor

    steps = PrePostProcessor(model)
    given = steps.input()
    given.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC")).set_color_format(ColorFormat.BGR)
    given.preprocess().convert_element_type(Type.f32).convert_color(ColorFormat.RGB).scale(255.0)
    given.model().set_layout(Layout("NCHW"))
    return steps.build()


class _OpenVinoGraph(Graph):
    def __init__(self, compiled: Any) -> None:
        self._compiled, self._mine = compiled, threading.local()

    @override
    def __call__(self, batch: Array) -> Array:
        if not hasattr(self._mine, "request"):  # a request is one thread's
            self._mine.request = self._compiled.create_infer_request()
        return np.asarray(self._mine.request.infer([batch], share_inputs=True)[0], np.float32)


class _ShapesGraph(Graph):
    """Any batch of any size at once; a shape that keeps coming gets a graph of its own: a frame is 12 % quicker in it, a
    single plate 25 %.
    """

    def __init__(self, core: Any, model: Any, settings: dict[str, Any]) -> None:
        self._core, self._model, self._settings = core, model, settings
        self._any = _OpenVinoGraph(core.compile_model(model, "CPU", settings))
        self._own: dict[tuple[int, ...], Graph] = {}
        self._seen: Counter[tuple[int, ...]] = Counter()
        self._lock = threading.Lock()

    @override
    def __call__(self, batch: Array) -> Array:
        return (self._own.get(batch.shape) or self._consider(batch.shape))(batch)

    def _consider(self, shape: tuple[int, ...]) -> Graph:
        with self._lock:
            self._seen[shape] += 1
            if self._seen[shape] >= _OFTEN:
                self._compile(shape)
            return self._own.get(shape, self._any)

    def settle(self) -> None:
        """Compile for every size seen so far."""
        with self._lock:
            for shape in self._seen:
                self._compile(shape)

    def _compile(self, shape: tuple[int, ...]) -> None:
        if shape not in self._own and len(self._own) < _MOST_OWN:
            model = self._model.clone()
            model.reshape(list(shape))
            self._own[shape] = _OpenVinoGraph(self._core.compile_model(model, "CPU", self._settings))


def _processor_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def frames_at_once(threads: int) -> int:
    """Hand over enough that no thread of a processor waits: two each."""
    return max(8, 2 * threads)


def choose(asked: str, *, gpus: int, cuda_built_in: bool, openvino_there: bool) -> str:
    """Decide which backend runs, from the setting and from what the machine and its libraries have.

    `gpus` counts the cards the driver shows, `cuda_built_in` tells whether the libraries here can use them. A card that
    would lie idle unnoticed is an error, and so is one that was asked for and is missing. Raises `Misconfigured`.
    """
    if asked not in NAMES:
        raise Misconfigured(f"ALPR_RECOGNIZER_BACKEND: {asked} is none of {', '.join(NAMES)}")
    if asked == "gpu" and not gpus:
        raise Misconfigured("ALPR_RECOGNIZER_BACKEND: gpu was asked for, and the driver shows none")
    if asked in ("gpu", "auto") and gpus:
        if not cuda_built_in:
            raise Misconfigured(
                "ALPR_RECOGNIZER_BACKEND: there is a GPU, but the libraries here cannot use it: install onnxruntime-gpu "
                "and a torch with CUDA, or name cpu-openvino or cpu-onnxruntime to run on the processor knowingly"
            )
        return "gpu"
    if asked == "cpu-openvino" and not openvino_there:
        raise Misconfigured("ALPR_RECOGNIZER_BACKEND: cpu-openvino was asked for, and openvino is not installed")
    if asked == "auto":
        return "cpu-openvino" if openvino_there else "cpu-onnxruntime"
    return asked


def count_gpus() -> int:
    """Count the cards that NVIDIA's driver shows to this process; no driver, no cards."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def start(asked: str, *, threads: int) -> Backend:
    """Choose and start a backend. Raises `Misconfigured` with the reason, never falls back by itself."""
    from importlib.util import find_spec

    gpus = count_gpus() if asked in ("auto", "gpu") else 0
    chosen = choose(
        asked,
        gpus=gpus,
        cuda_built_in=bool(gpus) and _cuda_built_in(),
        openvino_there=find_spec("openvino") is not None,
    )
    if chosen == "gpu":
        from alpr_recognizer.models.gpu import GpuBackend

        return GpuBackend()
    if chosen == "reference":
        from alpr_recognizer.models.reference import ReferenceBackend

        return ReferenceBackend(threads)
    return OpenVinoBackend(threads) if chosen == "cpu-openvino" else OnnxRuntimeBackend(threads)


def _cuda_built_in() -> bool:
    from importlib.util import find_spec

    if find_spec("torch") is None:  # the image for processors goes without
        return False
    import onnxruntime
    import torch

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers() and torch.cuda.is_available()
