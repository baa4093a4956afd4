"""What all engines share. Nothing in here knows about attribution, notebooks or pictures on a screen."""
