"""The doors to a model for people who are not trusted: what a page and a service share, and both of them."""
