"""What everything knows: errors, settings, names and records."""
