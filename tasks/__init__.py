"""The steps, and the rooms behind them."""
