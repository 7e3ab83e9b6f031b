"""Reads and hits in PostgreSQL, their images in the object store, the keys of the images in a folder."""

from .keys import HOLD, ImageKeys, Images
from .records import Records, images_of

__all__ = ["HOLD", "ImageKeys", "Images", "Records", "images_of"]
