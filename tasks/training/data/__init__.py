"""Posts as token ids, and their batches."""
