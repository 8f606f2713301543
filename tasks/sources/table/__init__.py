"""Posts in a table: CSV, JSONL, Parquet or plain text."""
