"""Saliscope beside its peers, at equal work, in one run: ``make bench`` or ``python -m benchmarks``.

`rows` says what is compared, `cases` on which networks, `harness` measures time, `memory` measures
peaks, `table` prints. A new row is a function in `rows`: a name, its contenders, and, for maps,
the largest difference under which they still count as the same map.

The explorer in a browser has budgets instead of peers: ``python -m benchmarks.browser``. `on_page`
measures what a frame costs, `in_lab` what a reader waits for and what piles up, `budgets` prints.
"""
