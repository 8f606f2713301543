"""From a corpus to a checkpoint: base models, tokenised batches, the engine."""
