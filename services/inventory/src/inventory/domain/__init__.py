"""The rules of stock: pure functions over frozen values."""
