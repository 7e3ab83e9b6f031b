"""The way of a frame through the recognizer: what is let in (`admission`), and what becomes of it (`recognizer`)."""

from alpr_recognizer.app.admission import Registry
from alpr_recognizer.app.recognizer import Recognizer

__all__ = ["Recognizer", "Registry"]
