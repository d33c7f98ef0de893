"""Simulators of the systems Crossdock talks to, independent of Crossdock itself: nothing of it is imported here."""
