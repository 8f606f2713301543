"""The preview picture of a release: the accounts and four posts that the bot wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import regex

from tasks.core.records import Prediction, Profile
from tasks.publishing.escaping import AND, markup, plain, whole_words
from tasks.publishing.initials import colour_of, initials, shown_name
from tasks.publishing.png_rendering import render_png
from tasks.publishing.release_contents import ReleaseContents

WIDTH, HEIGHT = 1200, 630
_SHOWN = 4
_LONGEST = 150
_NAME_LIMITS = {1: 40, 2: 22, 3: 15}
_RIGHT_TO_LEFT = regex.compile(
    r"[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=NKo}"
    r"\p{Script=Adlam}\p{Script=Samaritan}\p{Script=Mandaic}]"
)
_LETTER = regex.compile(r"\p{L}")
_CSS = """
.page { width: 1200px; height: 630px; display: flex; flex-direction: column;
  padding: 48px 56px 40px; background: linear-gradient(135deg, #e8f5fe 0%, #f3eeff 100%);
  color: #0f1419; font-size: 28px; }
.head { display: flex; flex-direction: row; align-items: center; height: 128px; }
.avatars { display: flex; flex-direction: row; margin-right: 28px; flex-shrink: 0; }
.avatar { width: 120px; height: 120px; border-radius: 60px; display: flex; align-items: center;
  justify-content: center; color: white; font-size: 50px; font-weight: 700; flex-shrink: 0;
  border: 5px solid white; overflow: hidden; }
.avatar img { width: 110px; height: 110px; object-fit: cover; }
.next { margin-left: -18px; }
.who { display: flex; flex-direction: column; flex: 1; min-width: 0; }
.name { font-size: 42px; font-weight: 700; line-height: 1.5; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; }
.handle { font-size: 26px; color: #536471; line-height: 1.4; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; }
.posts { display: flex; flex-direction: column; flex: 1; margin-top: 24px; gap: 12px; }
.post { display: flex; flex-direction: column; justify-content: center; height: 86px;
  background: white; border-radius: 18px; padding: 0 26px; }
.text { display: block; width: 100%; font-size: 25px; line-height: 1.5; overflow: hidden;
  text-overflow: ellipsis; line-clamp: 2; -webkit-line-clamp: 2; }
.right { text-align: right; direction: rtl; }
.foot { display: flex; flex-direction: row; justify-content: space-between; margin-top: 18px;
  font-size: 20px; color: #536471; }
"""


def render_picture(contents: ReleaseContents, fonts: Sequence[Path]) -> bytes:
    """A PNG of 1200 × 630: avatars, names, handles and four predictions.

    fonts: from `fonts.available_fonts`, by preference.
    """
    return render_png(_page(contents), _CSS, (WIDTH, HEIGHT), fonts, contents.avatars)


def _page(contents: ReleaseContents) -> str:
    shown = list(contents.chosen_posts[:_SHOWN]) or _shown(contents.evaluation.predictions)
    posts = "".join(_post(each) for each in shown)
    return (
        f'<div class="page"><div class="head"><div class="avatars">{_avatars(contents)}</div>'
        f'<div class="who">{_who(contents)}</div></div><div class="posts">{posts}</div>'
        f'<div class="foot"><div>{_kind(contents)}</div><div>huggingtweets</div></div></div>'
    )


def _kind(contents: ReleaseContents) -> str:
    return "🤖 AI BOT 🤖" if len(contents.profiles) == 1 else "🤖 AI CYBORG 🤖"


def _who(contents: ReleaseContents) -> str:
    limit = _NAME_LIMITS[len(contents.profiles)]
    names = AND.join(markup(shown_name(profile), limit) for profile in contents.profiles)
    accounts = contents.bot.handles
    handles = markup(accounts[0].joint.join(each.written for each in accounts))
    return f'<div class="name">{names}</div><div class="handle">@{handles}</div>'


def _avatars(contents: ReleaseContents) -> str:
    most = 2 if len(contents.profiles) == 1 else 1
    return "".join(
        f'<div class="avatar{" next" if place else ""}" style="background-color: '
        f'{colour_of(profile)}">{_face(contents, profile, most)}</div>'
        for place, profile in enumerate(contents.profiles)
    )


def _face(contents: ReleaseContents, profile: Profile, most: int) -> str:
    handle = str(
        profile.handle
    )  # only letters, digits, underscores, dots and dashes: no escaping needed
    return f'<img src="{handle}">' if handle in contents.avatars else initials(profile, most)


def _shown(predictions: Sequence[Prediction]) -> list[str]:
    """Four texts that do not repeat a post, with different starts as far as possible."""
    fresh = [each for each in predictions if not each.repeats and plain(each.text)]
    by_start = {each.start: each for each in reversed(fresh)}
    first = [each for each in fresh if by_start[each.start] is each]
    rest = [each for each in fresh if by_start[each.start] is not each]
    return [each.text for each in (*first, *rest)][:_SHOWN]


def _post(text: str) -> str:
    side = " right" if is_right_to_left(text) else ""
    shown = markup(whole_words(text, _LONGEST))
    return f'<div class="post"><div class="text{side}">{shown}</div></div>'


def is_right_to_left(text: str) -> bool:
    """Whether most letters are of a script written from right to left."""
    return 2 * len(_RIGHT_TO_LEFT.findall(text)) > len(_LETTER.findall(text))
