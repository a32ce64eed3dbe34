"""Files of one base judged side by side, with no world behind them."""
