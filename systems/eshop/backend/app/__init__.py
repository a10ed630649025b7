"""The eshop backend: products, accounts and orders over PostgreSQL, with Redis as a cache."""
