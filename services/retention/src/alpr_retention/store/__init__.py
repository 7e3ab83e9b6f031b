"""Reads and hits in PostgreSQL, their images in the object store, the keys of the images in a folder."""

from .keys import HOLD, ImageKeys, Images
from .records import Records, images_of
from .sealing import DAMAGED, MISSING, Job, Sealed, Sealers

__all__ = [
    "DAMAGED", "HOLD", "MISSING", "ImageKeys", "Images", "Job", "Records", "Sealed", "Sealers", "images_of",
]  # fmt: skip
