"""Tables as public tools write them: their headers and a row, with made-up posts."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import pytest

from tasks.core.names import Handle
from tasks.core.records import Kind
from tasks.sources.file_sources import open_file_source

TEXT, ID = "a text of mine, with a comma", "1000000000000000001"
AT = datetime(2018, 10, 10, 20, 19, tzinfo=UTC)
QUOTED = f'"{TEXT}"'
TWINT = (
    "id,conversation_id,created_at,date,time,timezone,user_id,username,name,place,tweet,language,"
    "mentions,urls,photos,replies_count,retweets_count,likes_count,hashtags,cashtags,link,retweet,"
    "quote_url,video,thumbnail,near,geo,source,user_rt_id,user_rt,retweet_id,reply_to,retweet_date"
)
SHAPES = {
    "twint": (
        TWINT,
        (
            f"{ID},{ID},2018-10-10 13:19:00 Pacific Daylight Time,2018-10-10,13:19:00,-0700,7,"
            f"alice,A,,{QUOTED},en,[],[],[],0,3,9,[],[],https://x.com/alice/status/{ID},False,,0"
        ),
    ),
    "GetOldTweets": (
        "username;date;retweets;favorites;text;geo;mentions;hashtags;id;permalink",
        f'alice;2018-10-10 20:19;3;9;{QUOTED};;;;"{ID}";https://twitter.com/alice/status/{ID}',
    ),
    "snscrape": (
        "Datetime,Tweet Id,Text,Username,replyCount,retweetCount,likeCount,language",
        f"2018-10-10 20:19:00+00:00,{ID},{QUOTED},alice,0,3,9,en",
    ),
    "rtweet": (
        "user_id,status_id,created_at,screen_name,text,source,is_quote,is_retweet,lang",
        f"x7,x{ID},2018-10-10T20:19:00Z,alice,{QUOTED},web,FALSE,FALSE,en",
    ),
    "X's former analytics": (
        '"Tweet id","Tweet permalink","Tweet text","time","impressions","retweets","likes"',
        f'"{ID}","https://twitter.com/a/status/{ID}",{QUOTED},"2018-10-10 20:19 +0000",5,"3","9"',
    ),
    "an archive of IFTTT with names": (
        "Date,User,Tweet,Link",
        f'"October 10, 2018 at 08:19PM",@alice,{QUOTED},http://twitter.com/alice/status/{ID}',
    ),
    "a script over nitter": (
        "id;date;tweet",
        f"{ID};Oct 10, 2018 · 8:19 PM UTC;{QUOTED}",
    ),
    "an export of the web client": (
        "ID,Created At,Full Text,Retweeted Status,Views",
        f"{ID},2018-10-10 22:19:00 +02:00,{QUOTED},,5",
    ),
    "a query in jq": (
        "id_str,created_at,text,lang",
        f"ID:{ID},Wed Oct 10 20:19:00 +0000 2018,{QUOTED},en",
    ),
    "Excel with a line about the separator": (
        "sep=;\nId;Datum;Date;Text",
        f'"=""{ID}""";;10.10.2018 20:19;{QUOTED}',
    ),
}


@pytest.mark.parametrize("tool", SHAPES)
def test_the_table_of_a_public_tool_is_read(tmp_path: Path, tool: str):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(SHAPES[tool]) + "\n", encoding="utf-8")
    source = open_file_source(path, Handle("alice"))
    (post,) = chain.from_iterable(source.batches(None))
    assert (post.text, post.created_at, post.kind) == (TEXT, AT, Kind.POST)
    assert post.id == (ID if "IFTTT" not in tool else post.id)
    assert not source.findings.notices
