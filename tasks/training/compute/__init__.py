"""The same numbers, faster; the plain way stays readable beside each."""
