"""Simulators of stores, marketplaces and a 3PL; they share no code with the services, so that neither hides the other's faults."""
