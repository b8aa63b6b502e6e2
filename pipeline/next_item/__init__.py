"""What a person will look at next: items seen together, sessions alike, and what they looked at before. Pure."""
