"""Posts from the Community Archive: timelines of X whose owners gave them away."""
