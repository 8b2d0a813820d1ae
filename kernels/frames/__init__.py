"""How much a picture changed from the last."""
