"""Things with letters that are no plates: every kind is drawn, carries ink, and repeats with its seed."""

import numpy as np
import pytest

pytest.importorskip("PIL", reason="drawing needs Pillow")

from alprdraw.signs import KINDS, render_sign


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_carries_lettering(kind):
    for seed in range(4):
        sign = render_sign(np.random.default_rng(seed), kind)
        assert sign.dtype == np.uint8
        assert 120 <= sign.shape[1] <= 280
        assert sign.std() > 8


def test_by_lot_kinds_differ_and_the_seed_repeats():
    signs = [render_sign(np.random.default_rng(seed)) for seed in range(30)]
    assert len({sign.shape for sign in signs}) > 5
    assert np.array_equal(signs[4], render_sign(np.random.default_rng(4)))


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="no such sign"):
        render_sign(np.random.default_rng(1), "plate")
