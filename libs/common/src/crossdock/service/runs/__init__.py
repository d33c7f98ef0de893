"""Integrations and their runs: what a service reads or writes on a schedule or on request, once across replicas.

A service names its kinds in a `Runs`, keeps three tables (`run_tables`) and includes the worker and the routes; how a
run is scheduled, taken, kept alive, stopped and told is the same everywhere.
"""
