"""A Shopify store: Admin GraphQL API, REST-shaped webhooks, fulfillment orders, throttling."""
