"""A third-party warehouse: takes requests, ships them, and tells by signed webhooks."""
