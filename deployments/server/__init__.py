"""Prefect's server: its settings, and the work pools, limits and automations on it."""
