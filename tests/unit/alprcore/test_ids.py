"""Names are uuid5 over what makes a thing unique (RFC 9562 5.5), as the library writes them."""

from uuid import uuid5

from hypothesis import given
from hypothesis import strategies as st

from alprcore.model.ids import NAMESPACE, make_id


@given(st.text(max_size=20), st.lists(st.text(max_size=30), max_size=6))
def test_a_name_is_the_librarys_uuid5(kind, parts):
    assert make_id(kind, *parts) == str(uuid5(NAMESPACE, "\x1f".join((kind, *parts))))
