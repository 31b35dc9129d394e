"""A made-up company with two months behind it, for looking around, for pictures and for the browser tests."""
