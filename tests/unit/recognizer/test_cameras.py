"""The figures of cameras follow the registry: one series for each in service, none for what has left."""

from dataclasses import replace

from prometheus_client import REGISTRY

from alpr_recognizer import metrics
from alprcore.model import Camera, Device, DeviceKind

POLE = Device(
    device_id="pole",
    agency="demo",
    kind=DeviceKind.FIXED,
    name="Pole 1",
    carrier="pole 1",
    cameras=(Camera("pole-a", "lane 1", ("N",)), Camera("pole-b", "lane 2", ("S",))),
    siting=None,
    in_service=True,
    position=None,
    public_key=bytes(32),
)


def in_service(camera, agency="demo", kind="fixed"):
    labels = {"agency": agency, "camera": camera, "kind": kind}
    return REGISTRY.get_sample_value("alpr_recognizer_camera_in_service", labels)


def seen(camera):
    labels = {"agency": "demo", "camera": camera}
    return REGISTRY.get_sample_value("alpr_recognizer_camera_seen_timestamp_seconds", labels)


def test_cameras_come_and_go_with_their_device():
    metrics.show_cameras(None, POLE)
    assert (in_service("pole-a"), in_service("pole-b")) == (1, 1)
    metrics.CAMERA_SEEN.labels("demo", "pole-a").set(100)
    metrics.CAMERA_SEEN.labels("demo", "pole-b").set(100)
    one = replace(POLE, cameras=POLE.cameras[:1])
    metrics.show_cameras(POLE, one)
    assert (in_service("pole-a"), in_service("pole-b")) == (1, None)
    assert (seen("pole-a"), seen("pole-b")) == (100, None)
    moved = replace(one, kind=DeviceKind.TRAILER)
    metrics.show_cameras(one, moved)
    assert (in_service("pole-a"), in_service("pole-a", kind="trailer"), seen("pole-a")) == (None, 1, 100)
    metrics.show_cameras(moved, replace(moved, in_service=False))
    assert (in_service("pole-a", kind="trailer"), seen("pole-a")) == (None, None)


def test_a_device_that_is_struck_off_leaves_nothing():
    metrics.show_cameras(None, POLE)
    metrics.show_cameras(POLE, None)
    assert (in_service("pole-a"), in_service("pole-b")) == (None, None)
    metrics.show_cameras(None, None)
