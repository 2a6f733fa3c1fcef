"""Platforms, parties and relations: an immutable snapshot in memory and its refresh."""
