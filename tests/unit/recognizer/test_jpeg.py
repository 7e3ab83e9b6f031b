"""A JPEG is judged by its header, before a pixel is decoded; and travels on without what the camera wrote beside it."""

import io

import pytest
from PIL import Image

from alpr_recognizer.models import jpeg
from alprcore.errors import InvalidMessage


def picture(width=64, height=48, **options):
    out = io.BytesIO()
    Image.new("RGB", (width, height), (40, 80, 120)).save(out, "JPEG", **options)
    return out.getvalue()


def test_size_comes_from_the_header():
    assert jpeg.check(picture(64, 48)) == (64, 48)
    assert jpeg.check(picture(64, 48, progressive=True)) == (64, 48)


def claims(width, height):
    data = bytearray(picture())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "NOT_A_JPEG"),
        (b"\x89PNG\r\n\x1a\n", "NOT_A_JPEG"),
        (b"\xff\xd8garbage", "NOT_A_JPEG"),
        (b"\xff\xd8\xff", "JPEG_TRUNCATED"),
        (picture()[:40], "JPEG_TRUNCATED"),
        (picture()[:-2], "JPEG_TRUNCATED"),
        (claims(4001, 3000), "IMAGE_TOO_LARGE"),
        (claims(0, 3000), "NOT_A_JPEG"),
    ],
)
def test_what_may_not_be_decoded_says_why(data, code):
    with pytest.raises(InvalidMessage) as caught:
        jpeg.check(data)
    assert caught.value.code == code


def test_twelve_megapixels_pass():
    assert jpeg.check(claims(4000, 3000)) == (4000, 3000)


def test_metadata_goes_and_pixels_stay():
    exif = Image.Exif()
    exif[0x010E] = "somebody's street"
    data = picture(exif=exif, comment=b"secret comment") + b"trailing bytes"
    assert b"somebody" in data
    clean = jpeg.strip(data)
    assert b"somebody" not in clean
    assert b"secret" not in clean
    assert b"trailing" not in clean
    assert Image.open(io.BytesIO(clean)).tobytes() == Image.open(io.BytesIO(data)).tobytes()
    assert jpeg.strip(clean) == clean
