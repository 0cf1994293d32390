"""What reference agents of several families share, and the computations behind them."""
