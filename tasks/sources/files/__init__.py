"""What a person gives: a file, a folder, a zip or a tar, and what is in it by its content."""
