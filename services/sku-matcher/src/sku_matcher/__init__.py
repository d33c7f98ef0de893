"""Owns SKUs, listings and mappings; gives every order line its SKU."""
