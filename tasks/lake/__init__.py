"""The Parquet store of all posts, one dataset for each handle."""
