"""What the Prefect server and its results keep of an account goes, and nothing of others does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings
from prefect.states import Completed, Running

from flows.account import account
from flows.bot import flow_of
from flows.forget import forget
from flows.requests import BotRequest
from flows.retrain import retrain
from flows.sweep import sweep
from tasks.core.errors import NetworkTrouble
from tasks.core.names import Bot, Handle
from tasks.forget import results_folder
from tasks.removal.account_removal import Plan, Receipt
from tasks.removal.prefect_records import PrefectRecords
from tasks.removal.prefect_search import everything
from tasks.removal.this_machine import results_of
from tasks.storage import Storage
from tests.flows.running import QUICK, run
from tests.sample_posts import write_table
from tests.servers.hub import running_hub

pytestmark = pytest.mark.usefixtures("prefect_server")


def everything_kept(client: SyncPrefectClient) -> dict[str, str]:
    """All that the server can be asked for and that `forget` did not make, as text by its id."""
    of_forget = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["forget"])))
    own = {each.id for each in of_forget}
    runs = everything(lambda at: client.read_flow_runs(limit=200, offset=at))
    tasks = everything(lambda at: client.read_task_runs(limit=200, offset=at))
    artifacts = everything(lambda at: client.read_artifacts(limit=200, offset=at))
    places = everything(lambda at: client.read_global_concurrency_limits(200, at))
    found = {str(run.id): f"{run.name} {run.parameters}" for run in runs if run.id not in own}
    bots = {run.id: run.name for run in runs if run.name.startswith("@")}
    for task in tasks:
        if task.flow_run_id not in own:
            found[str(task.id)] = f"{task.name} in {bots.get(task.flow_run_id, 'a batch')}"
    for each in artifacts:
        if each.flow_run_id not in own:
            found[str(each.id)] = f"{each.description} {each.data}"
    return found | {str(place.id): place.name for place in places}


def naming(kept: dict[str, str], name: str) -> dict[str, str]:
    return {id_: text for id_, text in kept.items() if name in text}


def results() -> dict[str, bytes]:
    folder = results_folder()
    assert folder is not None
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_nothing_of_the_account_stays_and_all_of_the_others(
    tmp_path: Path,
    tiny_base: Path,
    storage: Storage,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    sources = {
        name: str(write_table(tmp_path / f"{name}.csv", posts=200, seed=seed))
        for seed, name in enumerate(("gideon", "hedwig"))
    }
    # Else two bots may import the same posts at once, and the next run of one reads them again.
    for name, path in sources.items():
        assert command("import", path, "--handle", name)[0] == 0
    both = [BotRequest(name=name, sources={name: path}) for name, path in sources.items()]
    run([*both, BotRequest(name="gideon-hedwig", sources=sources)], tiny_base)
    run(both, tiny_base)  # now nothing is new: no runs of their own, and tasks of the batch's
    run(both[:1], tiny_base)
    run(both[1:], tiny_base)
    from tasks.training.sweep_space import Space

    space = Space.model_validate({"method": "grid", "parameters": {"epochs": [1]}})
    sweep(["gideon", "hedwig"], space, {"base": str(tiny_base), "training": QUICK})

    with get_client(sync_client=True) as client:
        before, kept_before = everything_kept(client), results()
        assert len(naming(before, "gideon")) > 20
        plan = forget("gideon")
        assert isinstance(plan, Plan)
        counts = {each.key: each.files for each in plan.kept if "Prefect" in each.key}
        # Of its own: two of bots, and a batch of one. Of others: two batches and a sweep.
        assert counts["runs in Prefect"] == 3
        assert counts["mentions in Prefect's other runs"] == 3
        assert everything_kept(client) == before, "looking removes nothing"

        receipt = forget("gideon", confirmed=True)
        assert isinstance(receipt, Receipt)
        after = everything_kept(client)
        assert naming(after, "gideon") == {}
        of_hedwig = {id_ for id_, text in naming(before, "hedwig").items() if "gideon" not in text}
        assert [before[id_] for id_ in of_hedwig if after.get(id_) != before[id_]] == []
        shared = [text for id_, text in after.items() if before.get(id_) != text]
        assert any("hedwig" in text and text.startswith("retrain …, hedwig") for text in shared)
        assert any('"bot": "@hedwig"' in text for text in shared), "its line among the outcomes"
        assert any('"@hedwig"' in text and "held-out loss" in text for text in shared)

    folder = results_folder()
    left = [path.read_text() for path in results_of(folder, [Handle("gideon")])]
    assert all("Receipt" in each for each in left), "at most the one of this call"
    gone = kept_before.keys() - results().keys()
    of_hedwig = {name for name in kept_before if "-hedwig-" in name and "gideon" not in name}
    assert len(of_hedwig) >= 3, "curate, finetune, evaluate"
    assert not gone & of_hedwig
    assert any("flow-run delete" in sentence for sentence in receipt.left)
    again = PrefectRecords(folder)
    assert again.find(Handle("gideon")) == ()
    assert not any("flow-run delete" in sentence for sentence in again.remove(Handle("gideon")))


def made(client: SyncPrefectClient, bot: str, state: Any, parent: FlowRun | None = None) -> FlowRun:
    """A run of one bot, as if another process had it; its parent waits for it, where it has one."""
    task = None
    if parent is not None:
        from prefect import task as prefect_task

        waiting = prefect_task(lambda: None, name="retrain bot")
        task = client.create_task_run(waiting, parent.id, "0").id
    flow = flow_of(Bot.parse(bot))
    parameters = {"request": {"name": bot}}
    return client.create_flow_run(
        flow, name=f"@{bot}", parameters=parameters, state=state, parent_task_run_id=task
    )


def test_what_is_under_way_is_left_until_it_has_ended() -> None:
    handle, server = Handle("isolde"), PrefectRecords(None)
    with get_client(sync_client=True) as client:
        parent = client.create_flow_run(retrain, parameters={"bots": []}, state=Running())
        runs = [
            made(client, "isolde", Running()),
            made(client, "isolde-jasper", Completed(), parent),
            made(client, "isolde", Completed()),
            made(client, "jasper-malisolde", Completed()),
        ]
        (sentence, _) = server.remove(handle)
        assert sentence.startswith("2 runs of @isolde in Prefect are running")
        kept = everything_kept(client)
        assert [str(run.id) in kept for run in runs] == [True, True, False, True]
        client.set_flow_run_state(runs[0].id, Completed(), force=True)
        client.set_flow_run_state(parent.id, Completed(), force=True)
        assert len(server.remove(handle)) == 1
        assert list(naming(everything_kept(client), "isolde")) == [str(runs[3].id)]
        client.delete_flow_run(runs[3].id)


def test_interrupted_in_the_middle_it_is_finished_by_the_next_call(
    table: Path, tiny_base: Path, storage: Storage
) -> None:
    run([BotRequest(name="kunigunde", sources={"kunigunde": str(table)})], tiny_base)
    folder, handle = results_folder(), Handle("kunigunde")
    assert folder is not None
    (kept,) = folder.glob("evaluate-kunigunde-*")
    kept.unlink()
    kept.mkdir()  # what cannot be unlinked
    with pytest.raises(OSError, match=kept.name):
        PrefectRecords(folder).remove(handle)
    with get_client(sync_client=True) as client:
        assert naming(everything_kept(client), "kunigunde"), "by which the rest is found"
        kept.rmdir()
        PrefectRecords(folder).remove(handle)
        assert naming(everything_kept(client), "kunigunde") == {}


def test_a_form_asks_for_one_bot(tiny_base: Path, storage: Storage) -> None:
    import asyncio

    asyncio.run(account("leopold", options={"base": str(tiny_base)}, return_state=True))
    with get_client(sync_client=True) as client:
        assert naming(everything_kept(client), "leopold")
        forget("leopold", confirmed=True)
        assert naming(everything_kept(client), "leopold") == {}


def test_without_a_server_the_rest_is_removed_and_told(
    command: Callable[..., tuple[int, str, str]], table: Path, storage: Storage
) -> None:
    command("import", table, "--handle", "mathilde")
    away = "http://127.0.0.1:9/api"
    with temporary_settings({PREFECT_API_URL: away}):
        assert get_current_settings().api.url == away
        code, out, err = command("forget", "mathilde")
        assert code == 0, err
        assert "posts/mathilde" in out
        assert f"No Prefect server answers at {away}" in err
        code, out, err = command("forget", "mathilde", "--yes", "--json")
        assert code == 0, err
    receipt = json.loads(out)
    assert any("`huggingtweets forget mathilde --yes`" in each for each in receipt["left"])
    assert storage.files("posts") == {}
    assert storage.exists(receipt["key"])
    code, out, _ = command("forget", "mathilde", "--yes")
    assert code == 0
    assert "Left: Prefect's events" in out


def test_what_answers_and_is_no_server_of_prefects(
    command: Callable[..., tuple[int, str, str]],
) -> None:
    with running_hub() as hub, temporary_settings({PREFECT_API_URL: f"{hub.url}/api"}):
        code, _, err = command("forget", "norbert", "--yes")
    assert code == 0, err
    assert "No Prefect server answers" in err


def test_a_server_that_goes_away_in_the_middle_is_to_be_asked_again() -> None:
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(NetworkTrouble, match=r"@olga: the Prefect server .* forget. again"),
    ):
        PrefectRecords(None).find(Handle("olga"))
