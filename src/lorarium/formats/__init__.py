"""Bytes to Adapter and back."""
