from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sources.mastodon.markup import text_of_markup

LINK = (
    '<a href="https://example.com/a/long/way" rel="nofollow"><span class="invisible">https://'
    '</span><span class="ellipsis">example.com/a/lo</span><span class="invisible">ng/way</span></a>'
)
MENTION = '<span class="h-card"><a href="https://b.example/@bob">@<span>bob</span></a></span>'


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("<p>one<br>two<br />three<br/><br>four</p>", "one\ntwo\nthree\n\nfour"),
        (f"<p>see {LINK} now</p>", "see https://example.com/a/long/way now"),
        (f"<p>{MENTION} hi</p>", "@bob hi"),
        ('<p><a href="x">#<span>tag</span></a></p>', "#tag"),
        ("<p>a &lt;b&gt; &amp;amp; &#39;c&#x27; &nbsp;d</p>", "a <b> &amp; 'c' \xa0d"),
        ("<p>a\n  b\t c</p>\n\n<p>d</p>", "a b c\n\nd"),
        ("<ul><li>one</li><li>two</li></ul><blockquote><p>q</p></blockquote>", "one\n\ntwo\n\nq"),
        ("<p>1 < 2 > 0</p>", "1 0"),
        ("plain text, no markup", "plain text, no markup"),
        ("<p>cut off <a href=", "cut off <a href="),
        ("", ""),
    ],
)
def test_the_text_is_what_readers_see(markup: str, text: str) -> None:
    assert text_of_markup(markup) == text


@given(text=st.text(alphabet="<>/&; \n\tabpr#x", max_size=60))
def test_no_text_has_more_than_one_empty_line_or_blanks_around(text: str) -> None:
    found = text_of_markup(text)
    assert found == found.strip()
    assert "\n\n\n" not in found
