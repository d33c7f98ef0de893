"""The vocabulary of Crossdock: every event that one service publishes and another may read. Imports pydantic only."""
