"""Running Pyro programs per datum: what their sites were, what they must fulfil, and under which circumstances."""
