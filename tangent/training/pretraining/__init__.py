"""Pre-training of small models from nothing: a module per objective, one loop for all of them."""
