"""The style networks."""
