"""Scores: what a head looks at, the snapshot that it learned, and the score that comes of both. Pure, without River."""
