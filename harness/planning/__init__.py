"""A suite → trials, how long they will take, and the versions of the code behind them."""
