"""The matcher's migrations."""
