"""The gate, tried: simulated pairs, and real gates with slow-downs that are planted."""
