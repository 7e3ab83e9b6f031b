"""Any picture becomes a frame the models take; plates become reads in the picture's own pixels; a video becomes passages."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from alpr_recognizer.ctc import Text
from alpr_recognizer.models import ModelInfo
from alpr_recognizer.models.jpeg import MOST_PIXELS, check
from alpr_recognizer.reading.passing import Watch, is_plate, may_be_cut, picture_rows
from alpr_recognizer.reading.pictures import Sight, UnreadableError, as_frame
from alpr_recognizer.sighting import Candidate
from alprcore.model import Box, Character, Provenance

INFO = ModelInfo(Provenance("detector", "0"), Provenance("reader", "0"), "none")


def halves():
    """A picture with a red upper half and a gray lower one, 64 x 32."""
    pixels = np.full((32, 64, 3), 128, np.uint8)
    pixels[:16] = (200, 30, 30)
    return Image.fromarray(pixels)


def decoded(sight):
    check(sight.jpeg)
    with Image.open(io.BytesIO(sight.jpeg)) as image:
        assert image.mode in {"RGB", "L"}
        return image.convert("RGB")


def near(pixel, wanted, by=12):
    return all(abs(a - b) <= by for a, b in zip(pixel, wanted, strict=True))


def test_a_jpeg_of_a_camera_is_passed_on_byte_for_byte(tmp_path):
    halves().save(tmp_path / "a.jpg")
    sight = as_frame(tmp_path / "a.jpg")
    assert sight == Sight((tmp_path / "a.jpg").read_bytes(), 64, 32)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.bmp", "a.tif", "a.gif", "a.ppm", "a.jp2"])
def test_other_kinds_of_pictures_are_converted(tmp_path, name):
    halves().save(tmp_path / name)
    picture = decoded(as_frame(tmp_path / name))
    assert near(picture.getpixel((32, 4)), (200, 30, 30))
    assert near(picture.getpixel((32, 28)), (128, 128, 128))


@pytest.mark.parametrize(("turned", "red"), [(1, (32, 4)), (3, (32, 28)), (6, (28, 32)), (8, (4, 32)), (4, (32, 28))])
def test_pictures_are_turned_upright_as_their_exif_says(tmp_path, turned, red):
    exif = Image.Exif()
    exif[0x0112] = turned
    halves().save(tmp_path / "a.jpg", exif=exif)
    sight = as_frame(tmp_path / "a.jpg")
    picture = decoded(sight)
    assert (sight.width, sight.height) == picture.size == ((32, 64) if turned in {6, 8} else (64, 32))
    assert near(picture.getpixel(red), (200, 30, 30))


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path):
    Image.fromarray(np.full((32, 64), 0x8080, np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(np.full((32, 64), 0.25, np.float32)).save(tmp_path / "b.tif")
    assert near(decoded(as_frame(tmp_path / "a.png")).getpixel((9, 9)), (128, 128, 128), 2)
    assert near(decoded(as_frame(tmp_path / "b.tif")).getpixel((9, 9)), (64, 64, 64), 2)


def test_gray_cmyk_palette_and_transparent_pictures_keep_their_look(tmp_path):
    halves().convert("L").save(tmp_path / "gray.jpg")
    halves().convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    halves().quantize(8).save(tmp_path / "palette.png")
    clear = halves().convert("RGBA")
    clear.putalpha(Image.fromarray(np.where(np.arange(32)[:, None] < 16, 255, 0).astype(np.uint8).repeat(64, 1)))
    clear.save(tmp_path / "clear.png")
    assert near(decoded(as_frame(tmp_path / "gray.jpg")).getpixel((9, 28)), (128, 128, 128))
    assert near(decoded(as_frame(tmp_path / "cmyk.jpg")).getpixel((32, 4)), (200, 30, 30), 16)
    assert near(decoded(as_frame(tmp_path / "palette.png")).getpixel((32, 4)), (200, 30, 30))
    assert near(decoded(as_frame(tmp_path / "clear.png")).getpixel((32, 4)), (200, 30, 30))
    assert near(decoded(as_frame(tmp_path / "clear.png")).getpixel((32, 28)), (255, 255, 255))


def test_great_pictures_are_made_smaller_and_say_so(tmp_path):
    Image.new("L", (5000, 4000)).save(tmp_path / "a.png")
    sight = as_frame(tmp_path / "a.png")
    picture = decoded(sight)
    assert (sight.width, sight.height) == (5000, 4000)
    assert 0.95 * MOST_PIXELS < picture.width * picture.height <= MOST_PIXELS
    assert sight.scale == pytest.approx(5000 / picture.width)
    assert "of its 5000 x 4000 pixels" in sight.note


def test_only_the_first_page_is_read_and_that_is_said(tmp_path):
    halves().save(tmp_path / "a.tif", save_all=True, append_images=[halves().rotate(180)])
    sight = as_frame(tmp_path / "a.tif")
    assert near(decoded(sight).getpixel((32, 4)), (200, 30, 30))
    assert sight.note == "only the first of 2 pages is read"


def bomb():
    """A PNG of a few bytes that claims 40000 x 40000 pixels."""
    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def cut(kind, share):
    out = io.BytesIO()
    Image.effect_noise((320, 240), 90).save(out, kind)
    return out.getvalue()[: int(out.tell() * share)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"milk, eggs", "is not a picture"),
        (
            b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
            "is a HEIC picture, which needs to be saved as JPEG first",
        ),
        (cut("JPEG", 0.5), "is cut off, its end is missing"),
        (cut("PNG", 0.5), "is cut off, its end is missing"),
        (cut("BMP", 0.5), "is cut off, its end is missing"),
        (bomb(), "is too large (40000 x 40000 pixels)"),
    ],
)
def test_what_is_no_picture_says_why(tmp_path, data, reason):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UnreadableError) as refused:
        as_frame(tmp_path / "a")
    assert str(refused.value) == reason


def test_a_file_that_is_not_there_or_not_a_file_says_so(tmp_path):
    with pytest.raises(UnreadableError, match="no such file"):
        as_frame(tmp_path / "missing.jpg")
    with pytest.raises(UnreadableError, match="directory"):
        as_frame(tmp_path)


def candidate(text, probability=0.99, x=100.0):
    characters = tuple(Character(letter, probability) for letter in text)
    return Candidate(Box(x, 50.0, 80.0, 40.0), 0.9, Text(characters), b"closeup of " + text.encode())


def test_each_plate_of_a_picture_is_a_row_in_the_pictures_own_pixels():
    sight = Sight(b"jpeg", 8000, 6000, scale=2.0)
    rows = picture_rows(sight, [candidate("7ABC123"), candidate("4XYZ987", x=400.0)], INFO)
    fields = [row.fields() for row in rows]
    assert [f["plate"] for f in fields] == ["7ABC123", "4XYZ987"]
    assert fields[1]["box"] == {"x": 800.0, "y": 100.0, "width": 160.0, "height": 80.0}
    assert fields[0]["state"] == "unknown"
    assert rows[0].closeup == b"closeup of 7ABC123"


def test_a_plate_that_cannot_be_read_is_a_row_all_the_same():
    (row,) = picture_rows(Sight(b"", 640, 480), [candidate("7ABC123", 0.3)], INFO)
    assert row.fields()["plate"] == ""
    assert row.fields()["plate_raw"] == "7ABC123"
    assert row.fields()["unreadable_reason"] == "UNSURE"


def test_a_passage_is_one_row_with_its_times_and_the_surest_frame():
    watch = Watch(INFO)
    rows = []
    for number, (text, probability) in enumerate([("7ABC128", 0.7), ("7ABC123", 0.95), ("7ABC123", 0.99)]):
        rows += watch.see(number / 5, Sight(f"frame {number}".encode(), 640, 480), [candidate(text, probability)])
    assert rows == []
    rows += watch.see(4.0, Sight(b"later", 640, 480), [candidate("4XYZ987", x=300.0)])
    rows += watch.end()
    first, second = (row.fields() for row in rows)
    assert (first["plate"], first["frames"], first["first_s"], first["last_s"]) == ("7ABC123", 3, 0.0, 0.4)
    assert first["time_s"] > 0  # not the frame that was misread
    assert rows[0].jpeg == f"frame {round(first['time_s'] * 5)}".encode()
    assert (second["plate"], second["time_s"]) == ("4XYZ987", 4.0)


def test_a_picture_of_a_plate_alone_is_told_from_a_street():
    crop, street = Sight(b"", 300, 150), Sight(b"", 1280, 720)
    assert may_be_cut(crop)
    assert not may_be_cut(street)
    assert not may_be_cut(Sight(b"", 150, 300))
    assert is_plate([candidate("7ABC123", 0.9)], [])
    assert is_plate([candidate("7ABC123", 0.9)], [candidate("7ABC1", 0.7)])
    assert not is_plate([candidate("7ABC123", 0.9)], [candidate("8XYZ987", 0.97)])
    assert is_plate([candidate("7ABC123", 0.9)], [candidate("7ABC12", 0.97)])
    assert not is_plate([candidate("7A", 0.99)], [])
    assert not is_plate([candidate("7ABC123", 0.6)], [])
    assert not is_plate([], [])


def test_a_vehicle_that_stands_in_view_is_told_once():
    watch = Watch(INFO)
    rows = [row for s in range(100) for row in watch.see(s / 1.0, Sight(b"", 640, 480), [candidate("7ABC123")])]
    rows += watch.end()
    assert [row.fields()["plate"] for row in rows] == ["7ABC123"]
