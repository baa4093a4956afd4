"""Saliscope beside its peers, at equal work, in one run: ``make bench`` or ``python -m benchmarks``.

`methods` has a row for every method: our call, its peers' calls (`peers`, `surrogates`, `perturbations`,
`adaptive`), plain loops (`contenders`), the networks (`cases`), the reference that all maps are held against
and the largest error under which one still counts as the same map. A registered method without a row ends the
benchmark. `rows` adds what a reader waits for, `growth` asks whether memory grows with the work. `harness`
measures time, `memory` peaks, `table` prints, `profiles` shows where time goes where a goal is missed.

The explorer in a browser has budgets instead of peers: ``python -m benchmarks.browser``. `on_page`
measures what a frame costs, `in_lab` what a reader waits for and what piles up, `budgets` prints.
"""
