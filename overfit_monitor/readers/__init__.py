"""The catalogue of readers: files in, runs out."""
