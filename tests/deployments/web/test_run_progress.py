"""What a page shows of a run: the steps by their tasks, and the curve of a training as it grows."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from prefect.client.schemas.objects import TaskRun
from prefect.states import Completed, Failed, Running, State

from deployments.web.jobs import Job
from deployments.web.run_progress import steps_of

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def task(name: str, state: State[Any], seconds: float | None) -> TaskRun:
    return TaskRun(
        name=name, task_key=name, dynamic_key="0", flow_run_id=uuid4(), state=state,
        start_time=None if seconds is None else NOON,
        end_time=None if seconds is None else NOON + timedelta(seconds=seconds),
        estimated_run_time=timedelta(seconds=seconds or 0),
    )  # fmt: skip


def found(step: str, state: str, seconds: float) -> dict[str, Any]:
    return {"step": step, "state": state, "seconds": seconds}


def test_steps_are_those_whose_tasks_have_begun_in_the_order_of_the_making() -> None:
    tasks = [
        task("evaluate @alice", Completed(), 7),
        task("finetune @alice", Running(), 60),
        task("warm start @alice", Completed(), 20),
        task("curate @alice", Completed(), 3),
        task("publish @alice-1234", Running(), None),
        task("show gate", Completed(), 1),
    ]
    # A warm start was held back, and the training goes on from the base.
    assert [(each["step"], each["state"]) for each in steps_of(tasks)] == [
        ("curate", "done"), ("train", "running"), ("measure", "done"),
    ]  # fmt: skip
    assert steps_of([task("finetune @alice", Failed(), 2)]) == [found("train", "failed", 2)]
    assert steps_of([]) == []


def training(done: int, loss: float, held_out: float | None) -> dict[str, Any]:
    return {
        "steps": [found("train", "running", 1)],
        "training": {
            "done": done, "total": 200, "tokens_per_second": 50.0, "loss": loss,
            "held_out": held_out, "seconds_left": 2.0,
        },
    }  # fmt: skip


def test_the_curve_grows_by_each_report_and_by_each_new_held_out_loss() -> None:
    job = Job([], [], "base")
    job.follow({"steps": [found("curate", "running", 0.5)], "training": None})
    assert job.shown()["percent"] == 0
    for report in (
        training(20, 5.0, None), training(20, 5.0, None), training(100, 4.0, 4.5),
        training(150, math.nan, 4.5), training(200, 3.0, 4.25),
    ):  # fmt: skip
        job.follow(report)
    shown = job.shown()
    assert shown["curve"] == [
        (10, 5.0, None), (50, 4.0, 4.5), (75, None, None), (100, 3.0, 4.25),
    ]  # fmt: skip
    assert (shown["percent"], shown["tokens_per_second"], shown["seconds_left"]) == (100, 50, 2)
    assert shown["steps"][1] == {"step": "curate", "state": "running", "seconds": 0.5}
    assert shown["steps"][4] == {"step": "publish", "state": None, "seconds": None}


def test_a_second_training_begins_a_new_curve() -> None:
    job = Job([], [], "base")
    for report in (training(200, 3.0, 4.0), training(10, 6.0, None)):
        job.follow(report)
    assert job.shown()["curve"] == [(5, 6.0, None)]


def test_a_long_curve_is_thinned_but_keeps_its_ends_and_its_held_out_losses() -> None:
    job = Job([], [], "base")
    for done in range(1, 2001):
        report = training(done, 3.0, 4.0 + done // 500)
        report["training"]["total"] = 2000
        job.follow(report)
    curve = job.shown()["curve"]
    assert len(curve) <= 500
    assert curve[-1][0] == 100
    assert {held_out for _, _, held_out in curve if held_out} == {4.0, 5.0, 6.0, 7.0, 8.0}
