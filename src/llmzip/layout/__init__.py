"""How a group's text is put together from streams, fills, copies and the framing of tars."""
