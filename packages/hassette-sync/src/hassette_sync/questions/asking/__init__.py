"""Questions in words, as the ask box takes them: `parsing` finds what they mean, and `ask` answers them."""
