"""Pure rules of the gateway: what a channel may look like, what a delivery is."""
