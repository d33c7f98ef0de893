"""Private servers and the supervisor: Crossdock on one machine, with nothing installed into the system."""
