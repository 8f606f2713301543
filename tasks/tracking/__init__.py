"""Runs in Weights & Biases, online or recorded offline to be sent later."""
