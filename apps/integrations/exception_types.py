"""The exception types of this domain."""
