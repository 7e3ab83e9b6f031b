"""The samples that vendors copy are run as they stand."""

import re

import pytest

from alprcore import wire
from alprcore.seal import verify
from tests.contract.contract import PROTO

BLOCKS = re.findall(r"```python\n(.*?)```", (PROTO / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("heading", [271.5, 12.35, 0.0])
def test_a_frame_signed_by_the_sample_is_accepted(heading):
    sample = {"__name__": "sample"}
    exec(compile(BLOCKS[0], "proto/README.md", "exec"), sample)  # noqa: S102
    key = sample["Ed25519PrivateKey"].from_private_bytes(bytes([7]) * 32)
    message = sample["signed_frame"](
        key, b"\xff\xd8 a photograph \xff\xd9", agency="demo", device="demo-car-12", camera="demo-car-12-front",
        sequence=41, captured_us=1_773_500_966_535_897, latitude=38.7520952, longitude=-121.2880063, heading=heading,
        view="rear",
    )  # fmt: skip
    frame = wire.decode_frame(message.SerializeToString(), {"ce_type": b"alpr.v1.frame"})
    assert verify(key.public_key().public_bytes_raw(), frame.signature, frame.signed_text())
    assert frame.frame_id == message.frame_id


def test_the_samples_are_whole_programs():
    assert [block.splitlines()[0].split()[1] for block in BLOCKS] == ["publish.py", "subscribe.py"]
    for block in BLOCKS:
        compile(block, "proto/README.md", "exec")
