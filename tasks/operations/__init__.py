"""What commands and tasks do with several rooms at once; it needs no Prefect."""
