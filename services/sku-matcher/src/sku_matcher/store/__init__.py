"""Every SQL statement of the matcher, by subject.

Rows are locked in one order: orders, products, listings, presence of SKUs, SKUs; each by its key. Judges of orders and
learners of listings meet on the rows of `listing` and `sku_presence`: an order that is told to wait is saved before
what it waits for can arrive, or sees it.
"""
