"""The message runtime: batches in one transaction, an inbox, an outbox, and every failure with a committed fate."""
