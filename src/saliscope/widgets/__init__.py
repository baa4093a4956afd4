"""The windows: traits that bind a session to the page, and nothing that computes."""
