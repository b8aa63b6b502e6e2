"""The quality of what shops publish: a line against the contract, a sample against what the pipeline needs. Pure."""
