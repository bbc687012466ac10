"""Compressors side by side: what each makes of a text, how fast, in how much memory."""
