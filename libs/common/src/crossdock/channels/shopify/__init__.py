"""The Shopify channel: signed webhooks, orders, fulfillments, products, by the Admin GraphQL API 2026-10."""

from crossdock.channels.shopify.connector import ShopifyConnector

connector = ShopifyConnector()

__all__ = ["ShopifyConnector", "connector"]
