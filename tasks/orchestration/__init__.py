"""What knows Prefect and is no task: limits, policies, progress, outages, crashed runs."""
