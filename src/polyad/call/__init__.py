"""The prepared call: arguments in, kernel, results out."""
