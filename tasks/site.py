"""Bring the site up to date."""

from __future__ import annotations

from prefect import task

from tasks.operations.site_building import Built, build_site
from tasks.operations.site_places import SitePlace
from tasks.orchestration.policies import UNCACHED
from tasks.storage import storage_root


@task(name="site", task_run_name="site {place}", **UNCACHED)
def build(place: SitePlace) -> Built:
    """Build the site at a place: only what changed is written."""
    return build_site(storage_root(), place)
