"""One output per module: diagnoses in, text out."""
