"""The steps, and the rooms behind them."""

from tasks.core.moved import keep_old_names

keep_old_names()
