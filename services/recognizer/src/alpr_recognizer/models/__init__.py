"""The models: `find_plates` over JPEGs, in a child process that alone knows torch, ultralytics and paddle."""

from alpr_recognizer.models.process import FrameResult, ModelInfo, ModelProcess, Reader

__all__ = ["FrameResult", "ModelInfo", "ModelProcess", "Reader"]
