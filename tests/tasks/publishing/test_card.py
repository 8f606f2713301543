"""The card: its sections, its numbers, its metadata, and that no name breaks any of them."""

from __future__ import annotations

import html
import math
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tasks.core.names import Bot, Handle
from tasks.core.records import Base, Counts, Prediction, TrackedRun
from tasks.curation.corpus import build_corpus
from tasks.evaluation.gate import judge
from tasks.publishing.card import render_card
from tasks.publishing.escaping import plain
from tasks.publishing.initials import colour_of
from tasks.publishing.release_contents import ReleaseContents
from tests.strategies import few_examples
from tests.tasks.curation.lake_tables import lake_table, sentences
from tests.tasks.publishing.examples import HOSTILE, make_contents, names

SECTIONS = [
    "How does it work?",
    "Training data",
    "Training procedure",
    "How to use",
    "Limitations and bias",
    "About",
]


def shown(card: str) -> str:
    """The card's body as HTML."""
    engine = MarkdownIt("commonmark", {"html": True}).enable("table")
    return engine.render(ModelCard(card).text)


def tables(card: str) -> list[list[list[str]]]:
    """The cells of all tables, row by row, as a reader sees them."""
    return [
        [
            [html.unescape(cell) for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", row)]
            for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        ]
        for table in re.findall(r"<table>(.*?)</table>", shown(card), re.DOTALL)
    ]


def with_counts(contents: ReleaseContents, **counts: Counts) -> ReleaseContents:
    return replace(contents, corpus=replace(contents.corpus, counts=counts))


@pytest.mark.parametrize(
    ("people", "title"),
    [
        (["Alice"], "🤖 AI BOT 🤖"),
        (["Alice", "Bob"], "🤖 AI CYBORG 🤖"),
        (["A", "B", "C"], "🤖 AI CYBORG 🤖"),
    ],
)
def test_the_sections_of_the_original(people, title):
    card = render_card(make_contents(*people))
    page = shown(card)
    assert re.findall(r"<h2>(.*?)</h2>", page) == SECTIONS
    assert title in page
    assert page.count("border-radius: 50%") == len(people)
    assert html.unescape(page).replace("\u200e", "").count(" & ".join(people)) >= 1
    assert f"@{'-'.join(['alice', 'bob', 'carol'][: len(people)])}" in html.unescape(page)


@pytest.mark.parametrize(
    "numbers",
    [
        (3182, 721, 189, 2272),
        (342, 167, 33, 142),
        (3236, 217, 254, 2765),
        (3234, 228, 723, 2283),
        (1196, 138, 34, 1024),
    ],
)
def test_the_counts_of_the_originals_cards(numbers):
    downloaded, retweets, short, kept = numbers
    counts = Counts(downloaded, kept, {"retweet": retweets, "short": short})
    table = tables(render_card(with_counts(make_contents("Alice"), alice=counts)))[0]
    assert table == [
        ["Data", "Alice"],
        ["Tweets downloaded", str(downloaded)],
        ["Retweets", str(retweets)],
        ["Short tweets", str(short)],
        ["Tweets kept", str(kept)],
    ]


@pytest.mark.parametrize(
    ("downloaded", "retweets", "short", "kept"),
    [(3182, 721, 189, 2272), (342, 167, 33, 142), (3236, 217, 254, 2765),
     (3234, 228, 723, 2283), (1196, 138, 34, 1024)],
)  # fmt: skip
def test_posts_of_the_originals_accounts_give_the_counts_of_its_cards(
    downloaded, retweets, short, kept
):
    alice = Handle("alice")
    texts = [
        *(f"RT @bob: somebody else wrote this {n}" for n in range(retweets)),
        *(f"short {n}" for n in range(short)),
        *sentences(kept),
    ]
    kinds = ["retweet"] * retweets + ["post"] * (short + kept)
    curated = build_corpus(
        Bot((alice,)), {alice: lake_table(texts, kinds=kinds)}, filter_name="classic",
        floor=6_000, warn_below=0,
    )  # fmt: skip
    table = tables(render_card(with_counts(make_contents("Alice"), **curated.counts)))[0]
    assert [row[1] for row in table[1:]] == list(map(str, (downloaded, retweets, short, kept)))


def test_a_column_for_each_handle_and_rows_only_where_something_was_dropped():
    contents = with_counts(
        make_contents("Al", "Bo"),
        alice=Counts(10, 6, {"retweet": 0, "short": 1, "duplicate": 0, "other_language": 3}),
        bob=Counts(5, 5, {}),
    )
    assert tables(render_card(contents))[0] == [
        ["Data", "Al", "Bo"],
        ["Tweets downloaded", "10", "5"],
        ["Retweets", "0", "0"],
        ["Short tweets", "1", "0"],
        ["Other language", "3", "0"],
        ["Tweets kept", "6", "5"],
    ]


def test_the_metadata_go_through_the_hubs_own_reader(contents):
    card = ModelCard(render_card(replace(contents, namespace="me")))
    data = card.data.to_dict()
    assert data["license"] == "mit"
    assert data["library_name"] == "transformers"
    assert data["pipeline_tag"] == "text-generation"
    assert data["base_model"] == "openai-community/gpt2"
    assert data["base_model_relation"] == "finetune"
    assert "huggingtweets" in data["tags"]
    assert data["widget"] == [{"text": "My dream is"}]
    assert data["thumbnail"] == "https://huggingface.co/me/alice/resolve/main/predictions.png"
    (result,) = card.data.eval_results
    assert result.metric_type == "perplexity"
    assert result.metric_value == pytest.approx(math.exp(3.2), abs=0.001)
    assert ModelCard(str(card)).data.to_dict() == data


def test_the_metadata_name_the_languages_where_they_are_known(contents):
    assert "language" not in ModelCard(render_card(contents)).data.to_dict()
    card = ModelCard(render_card(replace(contents, languages=("no", "ja"))))
    assert card.data.to_dict()["language"] == ["no", "ja"]


def test_a_base_that_is_not_on_the_hub_is_named_as_text():
    base = Base("/models/own", "/models/own", "1", "a model | of our own", None)
    card = render_card(make_contents("Alice", base=base))
    metadata = ModelCard(card).data.to_dict()
    assert metadata["library_name"] == "transformers"
    assert not {"base_model", "base_model_relation", "license"} & metadata.keys()
    assert "based on a model | of our own (licence unknown), which" in html.unescape(shown(card))
    assert "/models/own" not in card


def test_base_and_licence_are_named(contents):
    text = html.unescape(shown(render_card(contents)))
    link = '<a href="https://huggingface.co/openai-community/gpt2">openai-community/gpt2</a>'
    assert f"based on {link} (licence: mit), which is fine-tuned on the tweets of Alice" in text


def test_memorisation_and_the_gates_figures_are_shown(contents):
    assert "Of 5 generated samples, 0% repeat" in render_card(contents)
    evaluation = replace(
        contents.evaluation,
        samples=100, verbatim=2, repeated=6, released_loss=3.3, compared_loss=3.2,
        compared_posts=20,
    )  # fmt: skip
    judged = replace(contents, evaluation=evaluation, gate=judge(evaluation, 0.05, 0.05))
    text = html.unescape(shown(render_card(judged)))
    assert "Of 100 generated samples, 6% repeat training tweets: 2 verbatim, 4 nearly." in text
    assert "it did not pass, and its operator released it nevertheless" in text
    for reason in judged.gate.reasons:
        assert f"<li>{reason}</li>" in text
    passed = replace(judged, gate=judge(evaluation, 0.05, 0.5))
    assert "previous release; it passed:" in render_card(passed)


def test_the_curve_of_the_losses_is_shown_where_there_is_one(contents):
    assert '<img src="losses.png"' in shown(render_card(contents))
    bare = replace(contents, checkpoint=replace(contents.checkpoint, history=()))
    assert "losses.png" not in render_card(bare)


def test_it_says_how_to_ask_for_removal(contents):
    for namespace, words in (
        ("me", "in a discussion in this repository"),
        (None, "ask its publisher:"),
    ):
        card = render_card(replace(contents, namespace=namespace))
        assert words in card
        assert "`huggingtweets forget` with the account's handle removes its posts" in card


@given(names, names, names)
@few_examples
def test_no_base_licence_or_source_breaks_the_card(origin, licence, source):
    def card_of(origin, licence, source):
        base = Base("own", "/somewhere", "1", f"made of {origin}", f"L{licence}")
        contents = make_contents("Alice", base=base)
        corpus = replace(contents.corpus, sources=(f"from {source}",))
        return render_card(replace(contents, corpus=corpus))

    wild, calm = card_of(origin, licence, source), card_of("x", "y", "z")
    assert re.findall(r"<[^>]*>", shown(wild)) == re.findall(r"<[^>]*>", shown(calm))
    found, expected = (ModelCard(card).data.to_dict() for card in (wild, calm))
    assert found.keys() == expected.keys()
    assert found["license"] == plain(f"L{licence}")


def test_losses_that_are_no_numbers_are_left_out():
    contents = make_contents("Alice")
    evaluation = replace(contents.evaluation, base_loss=math.nan, bot_loss=math.inf)
    card = render_card(replace(contents, evaluation=evaluation))
    assert "model-index" not in card
    assert [row[1] for row in tables(card)[2][1:]] == ["not measurable", "not measurable"]
    assert "nan" not in card.split("---")[1]


def test_how_to_use_names_the_repository_or_the_folder(contents):
    assert 'model="me/alice"' in render_card(replace(contents, namespace="me"))
    assert 'model="."' in render_card(contents)


def test_the_run_is_linked_where_it_is_online(contents):
    offline = render_card(contents)
    assert "was not tracked online" in offline
    tracked = TrackedRun(url="https://wandb.example/me/p/runs/1")
    online = render_card(replace(contents, tracked=tracked))
    assert "[training run](https://wandb.example/me/p/runs/1)" in online
    assert "Preprocessing was not tracked online" in online
    assert "The training was not tracked" not in online
    both = replace(tracked, preprocess_url="https://wandb.example/me/p/runs/0")
    assert "[Explore the data](https://wandb.example/me/p/runs/0)" in render_card(
        replace(contents, tracked=both)
    )
    odd = TrackedRun(url="javascript:alert(1)", preprocess_url="https://x.example/) [a](b")
    assert render_card(replace(contents, tracked=odd)) == offline


def test_the_report_of_a_sweep_is_linked_where_there_is_one(contents):
    assert "sweep" not in render_card(contents)
    url = "https://wandb.ai/me/huggingtweets/runs/abc"
    assert f"[the report of the sweep]({url})" in render_card(replace(contents, sweep_url=url))
    assert "sweep" not in render_card(replace(contents, sweep_url="javascript:alert(1)"))


def test_the_projects_page_is_linked_where_there_is_one(contents):
    assert "[huggingtweets]" not in render_card(contents)
    linked = render_card(replace(contents, project_url="https://example.org/huggingtweets"))
    assert "[huggingtweets](https://example.org/huggingtweets)" in linked
    assert "[huggingtweets]" not in render_card(replace(contents, project_url="javascript:x)"))


def test_source_and_time_of_the_posts(contents):
    card = render_card(contents)
    assert "come from a table of posts; those kept date from 2020-03-01 to 2025-12-31" in card
    undated = replace(contents.corpus, first_post=None, sources=("table", "x_archive"))
    card = render_card(replace(contents, corpus=undated))
    assert "come from a table of posts and the account owner's X archive." in card


def test_how_the_held_out_posts_were_chosen_is_said(contents):
    assert "were held out to measure the result: the newest." in render_card(contents)
    drawn = render_card(replace(contents, corpus=replace(contents.corpus, drawn=("alice",))))
    assert "the result: drawn at random, since the tweets have no dates." in drawn


def test_an_avatar_is_shown_only_where_its_address_is_harmless():
    contents = make_contents("Alice")
    good = "https://pbs.example/profile_images/1/a_400x400.jpg"
    for url, is_shown in (
        (good, True),
        ("https://x.example/a'); color: red", False),
        ("http://x.example/a.jpg", False),
        ("javascript:alert(1)", False),
    ):
        profile = replace(contents.profiles[0], avatar_url=url)
        assert (url in render_card(replace(contents, profiles=(profile,)))) is is_shown


@few_examples
@given(st.lists(names, min_size=1, max_size=3), names)
def test_no_name_or_post_breaks_the_card(people, post):
    calm = make_contents(*("N" * 5 for _ in people))
    wild = make_contents(*people)
    predictions = (Prediction("My dream is", f"My dream is {post}", False),)
    calm, wild = (
        replace(each, evaluation=replace(each.evaluation, predictions=predictions))
        for each in (calm, wild)
    )
    quiet = replace(
        calm,
        evaluation=replace(calm.evaluation, predictions=(Prediction("My dream is", "x", False),)),
    )
    expected, found = shown(render_card(quiet)), shown(render_card(wild))
    # The same tags in the same order: nothing that came from outside made one of its own.
    assert re.findall(r"<[^>]*>", found) == re.findall(r"<[^>]*>", expected)
    metadata = ModelCard(render_card(quiet)).data.to_dict()
    assert metadata["license"] == "mit"
    assert ModelCard(render_card(wild)).data.to_dict() == metadata


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_read_as_it_stands(name):
    card = render_card(make_contents(name))
    assert tables(card)[0][0] == ["Data", plain(name, 60) or "alice"]


def test_a_context_needs_the_bots_own_profiles():
    contents = make_contents("Alice", "Bob")
    with pytest.raises(AssertionError, match="one profile for each handle"):
        replace(contents, profiles=contents.profiles[:1])


def test_the_release_is_dated(contents):
    card = render_card(replace(contents, created_at=datetime(2027, 5, 6, tzinfo=UTC)))
    assert "made with huggingtweets on 2027-05-06" in card


def test_the_header_shows_the_initials_of_the_picture(contents):
    page = shown(render_card(make_contents("Ann Smith")))
    assert ">AS</div>" in page
    assert colour_of(make_contents("Ann Smith").profiles[0]) in page
    assert ">B</div>" in shown(render_card(make_contents("Ann Smith", "Bob Jones")))


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        ("https://example.org/removal", "ask <https://example.org/removal>:"),
        ("removal@example.org", "ask removal&#64;example&#46;org:"),
        ("javascript:alert(1)", "ask javascript&#58;alert(1):"),
        (None, "ask its publisher:"),
    ],
)
def test_removal_is_asked_of_whom_the_operator_names(contents, contact, said):
    assert said in render_card(replace(contents, contact=contact))


def test_the_source_is_readable(contents):
    post = "It's 3.5 km, well-known (I think); isn't it? Yes: 2016-11-08!"
    evaluation = replace(contents.evaluation, predictions=(Prediction("My dream is", post, False),))
    assert f"- {post}\n" in render_card(replace(contents, evaluation=evaluation))


def test_the_way_from_posts_to_the_bot_is_shown_in_numbers(contents):
    (picture,) = re.findall(r"```text\n(.*?)```", render_card(contents), re.DOTALL)
    for number in (
        "3,182 posts",
        "2,272 posts kept",
        "227 held out",
        "2,045 posts for",
        "300 steps",
    ):
        assert number in picture


def test_the_card_links_the_bots_page_and_shows_its_picture_where_a_site_is_set():
    shown = render_card(make_contents(site_url="https://bots.example.org"))
    assert "(https://bots.example.org/bots/alice/index.html)" in shown
    thumbnail = "https://bots.example.org/bots/alice/predictions.png"
    assert ModelCard(shown).data.thumbnail == thumbnail
    assert "bots.example" not in render_card(make_contents())
