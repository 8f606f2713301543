"""What a Prefect server is given: work pools, limits, automations; and one for one machine."""
