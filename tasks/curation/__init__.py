"""From posts to a corpus: cleaning, filters with named reasons, the split."""
