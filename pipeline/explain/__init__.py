"""One customer's story in plain words: what they did, what was decided and why, and how they stand now."""
