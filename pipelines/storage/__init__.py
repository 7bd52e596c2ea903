"""Storage: what the door to the warehouse stands on: opening, migrating, rights, durability, errors."""
