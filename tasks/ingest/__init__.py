"""A source's posts into the lake: budgets, scrape state, compliance with deletions."""
