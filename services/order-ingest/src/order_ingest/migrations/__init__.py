"""Order-ingest's migrations."""
