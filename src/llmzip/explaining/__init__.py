"""What a model makes of a text, token by token, to be looked at."""
