"""Model, engine, cache and worker behind a widget; runs without a notebook."""
