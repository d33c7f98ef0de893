"""The edge: webhooks in, API and console out; keeps every credential sealed."""
