"""The measuring bench: ratios and costs per unit, each in one run with its own baseline."""
