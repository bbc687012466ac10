"""Drives one direction: plans runs and chunks, batches them, calls the rooms below."""
