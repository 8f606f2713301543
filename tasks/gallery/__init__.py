"""The site: static pages that show releases, and bots that write in the visitor's browser."""
