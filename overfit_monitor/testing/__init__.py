"""Curves with known truth and the common checks, for our tests and for yours."""
