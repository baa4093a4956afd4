"""Method cards: what a reader of a map should know of the method that made it; a file for each family."""
