"""Demonstrations around the product; nothing here is part of it."""
