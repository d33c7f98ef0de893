"""Postgres: engines, roles, migrations, partitions. One schema and two roles for each service."""
