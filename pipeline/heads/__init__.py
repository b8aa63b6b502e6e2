"""Heads: what each score looks at, what it keeps of a person, and when the label of a prediction can be known. Pure."""
