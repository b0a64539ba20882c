"""From the main loop to the database: nothing is forgotten before it is accepted.

A value's way here: delivery.py (two threads: the keeper owns the spool, the sender does HTTP) ->
spool.py -> memory_queue.py while it is fresh, disk_queue.py once it has waited a second: two queues
that do the same, as line_queue.py says. pacing.py has when a request may leave. reports.py logs
what happens to the queue, the disk and the database; figures.py has the numbers that the main
thread sees.

Rules: delivery is a transaction: `next_batch` shows, `settle` removes. Memory and disk are bounded;
at a bound the oldest go, counted. The format of the file, and how it survives, is described in
disk_format.py, how lines are stored in disk_lines.py, what happens to a damaged file in salvage.py,
and how it is read without SQLite in disk_wreck.py. Start with spool.py.
"""
