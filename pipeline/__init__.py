"""Live customer pipeline: events in, profiles and consented triggers out."""
