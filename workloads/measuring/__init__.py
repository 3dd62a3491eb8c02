"""Measures how fast this host runs a model: LoadGen's scenarios, ceilings, device, energy."""
