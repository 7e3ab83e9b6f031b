"""Where people are sent on, and how a banner is named."""

import pytest

from alpr_console.accounts.pages import banner_version, onward


@pytest.mark.parametrize(
    ("wanted", "page"),
    [
        ("/hits", "/hits"),
        ("/search?x=1", "/search?x=1"),
        ("", "/"),
        ("hits", "/"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example/", "/"),
        ("/\\elsewhere.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_nobody_is_sent_to_another_site(wanted, page):
    assert onward(wanted) == page


def test_another_text_is_another_banner():
    assert banner_version("one") != banner_version("two")
    assert len(banner_version("one")) == 12
