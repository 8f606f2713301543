"""The Parquet store of all posts, one dataset for each handle.

- A *data file* is a Parquet file in the account's folder. It is never changed.
- A *segment* is the rows that one scrape added. The scrape writes it as a data file of its own;
  compaction later puts several segments into one merged file.
- A *location* says where a segment lies: in which file, from which row.
- A *tombstone* is a small file that hides a segment from which posts were deleted.
- A *snapshot* is what an account's folder held at one moment.
"""
