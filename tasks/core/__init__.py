"""What all other code may import: errors, settings, names and records."""
